import { fetch } from 'undici'
import { memoryStore } from 'undici-resilience'
import { createCalComAgent, preset } from 'undici-resilience/providers/cal-com'
import { createSendGridAgent } from 'undici-resilience/providers/sendgrid'
import { FakeCalCom } from '../../test/support/providers/fakes/fake-cal-com.ts'
import { FakeSendGrid } from '../../test/support/providers/fakes/fake-sendgrid.ts'

const calendar = await new FakeCalCom('cal_live_example').start()
const mail = await new FakeSendGrid('SG.example').start()

// One Agent per provider for code that calls fetch itself: each with the provider's limits, timeouts and rules, both
// with one store. `baseUrl` is for the fakes of this example.
const store = memoryStore()
const calComAgent = createCalComAgent({ baseUrl: calendar.origin, store, retry: { maxAttempts: 2 } })
const sendGridAgent = createSendGridAgent({ baseUrl: mail.origin, store })
console.log(
  `${preset.integration}: ${preset.retry.maxAttempts} attempts by default, at most ${preset.attemptTimeoutMs} ms each`,
)

// Several limits at once: the first to reset lets the request through.
calendar.faults = [{ instead: calendar.limited(500) }]
const slots = await fetch(`${calendar.baseUrl}/slots?eventTypeId=1&start=2026-12-24&end=2026-12-25`, {
  dispatcher: calComAgent,
  headers: { authorization: 'Bearer cal_live_example', 'cal-api-version': '2024-09-04' },
})
console.log(`slots: ${slots.status} after ${calendar.requests.length} requests`)

// Used-up credits come as a 401. The mail is kept until they are renewed.
mail.faults = [{ instead: mail.credits() }]
const sent = await fetch(`${mail.baseUrl}/v3/mail/send`, {
  method: 'POST',
  dispatcher: sendGridAgent,
  headers: { authorization: 'Bearer SG.example', 'content-type': 'application/json' },
  body: JSON.stringify({
    personalizations: [{ to: [{ email: 'ada@example.com' }] }],
    from: { email: 'shop@example.com' },
  }),
})
console.log(`mail: ${sent.status} after ${mail.requests.length} request`)

// Each Agent goes to its own provider and nowhere else.
await fetch(`${mail.origin}/v3/mail/send`, { dispatcher: calComAgent }).catch((error: Error) => {
  console.log(`refused: ${(error.cause as Error).name}`)
})

await Promise.all([calComAgent.close(), sendGridAgent.close()])
const [letter] = (await store.deadLetters.list()).items
console.log(
  `dead letter: ${letter?.integration} ${letter?.error.code}, due ${letter?.dueAt === letter?.notBefore ? 'when it is allowed' : 'now'}`,
)
await store.close()
await Promise.all([calendar.close(), mail.close()])

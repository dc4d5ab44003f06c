import { createRequire } from 'node:module'
import { describe, expect, it } from 'vitest'
import { preset as sendgrid } from '../../../../src/providers/sendgrid.ts'
import { FakeSendGrid } from '../../../support/providers/fakes/fake-sendgrid.ts'
import { globalStack } from '../../../support/providers/global-stack.ts'

/** The SDKs are CommonJS, and these files are about what they do at run time: of their types only what is used here. */
const require = createRequire(import.meta.url)

interface SendGridSdk {
  setApiKey(key: string): void
  setDefaultRequest(name: string | object, value?: unknown): void
  request(request: object): Promise<[{ statusCode: number }]>
}
const SendGrid = (require('@sendgrid/client') as { Client: new () => SendGridSdk }).Client

interface MailSdk {
  client: SendGridSdk
  setApiKey(key: string): void
  setClient(client: SendGridSdk): void
  send(mails: object | object[]): Promise<[{ statusCode: number }]>
}
const { MailService } = require('@sendgrid/mail') as { MailService: new () => MailSdk }

const scene = globalStack(['SG.s3cr3t'])

describe('@sendgrid/client 8, on axios', () => {
  const mail = {
    personalizations: [{ to: [{ email: 'ada@example.com' }] }],
    from: { email: 'shop@example.com' },
    subject: 'Your order',
  }
  async function start() {
    const provider = await scene.globally(sendgrid, new FakeSendGrid('SG.s3cr3t'))
    const sdk = new SendGrid()
    sdk.setApiKey('SG.s3cr3t')
    sdk.setDefaultRequest('baseUrl', provider.origin)
    return { provider, sdk, send: () => sdk.request({ method: 'POST', url: '/v3/mail/send', body: mail }) }
  }

  it('is not reached as it comes: its requests go past the dispatcher', async () => {
    const { provider, send } = await start()
    provider.faults = [{ instead: provider.limited(1) }]
    await expect(send()).rejects.toMatchObject({ code: 429 })
    expect(provider.requests).toHaveLength(1)
    expect(await scene.letters()).toEqual([])
  })

  it('is reached with the fetch adapter: a limit is obeyed, and a mail is not sent twice', async () => {
    const { provider, sdk, send } = await start()
    sdk.setDefaultRequest('adapter', 'fetch')
    provider.faults = [{ instead: provider.limited(1) }]
    expect((await send())[0].statusCode).toBe(202)
    expect(provider.requests).toHaveLength(2)
    expect(provider.early).toBe(0)
    provider.faults = [{ afterwards: { status: 500 } }]
    await expect(send()).rejects.toMatchObject({ code: 500 })
    expect(provider.requests).toHaveLength(3)
    expect(await scene.letters()).toMatchObject([{ reason: 'not-repeatable' }])
  })
})

describe('@sendgrid/mail 8, on a client of @sendgrid/client', () => {
  const mailTo = (email: string) => ({
    to: email,
    from: 'shop@example.com',
    subject: 'Your order',
    text: 'Thank you',
  })
  async function start() {
    const provider = await scene.globally(sendgrid, new FakeSendGrid('SG.s3cr3t'))
    const client = new SendGrid()
    client.setApiKey('SG.s3cr3t')
    client.setDefaultRequest({ baseUrl: provider.origin, adapter: 'fetch' })
    const sdk = new MailService()
    sdk.setClient(client)
    return { provider, sdk }
  }

  it('is not reached as it comes: it has a client of its own, past the dispatcher', async () => {
    const provider = await scene.globally(sendgrid, new FakeSendGrid('SG.s3cr3t'))
    const sdk = new MailService()
    sdk.setApiKey('SG.s3cr3t')
    sdk.client.setDefaultRequest('baseUrl', provider.origin)
    provider.faults = [{ instead: provider.limited(1) }]
    await expect(sdk.send(mailTo('ada@example.com'))).rejects.toMatchObject({ code: 429 })
    expect(provider.requests).toHaveLength(1)
    expect(await scene.letters()).toEqual([])
  })

  it('is reached through a client with the fetch adapter: a limit is obeyed', async () => {
    const { provider, sdk } = await start()
    provider.faults = [{ instead: provider.limited(1) }]
    expect((await sdk.send(mailTo('ada@example.com')))[0].statusCode).toBe(202)
    expect(provider.requests).toHaveLength(2)
    expect(provider.early).toBe(0)
    expect([...provider.created.values()]).toEqual([1])
  })

  it('sends no mail twice with it, and what fails is kept with its body', async () => {
    const { provider, sdk } = await start()
    provider.faults = [{ afterwards: provider.error(503, 'unavailable') }]
    await expect(sdk.send(mailTo('ada@example.com'))).rejects.toMatchObject({ code: 503 })
    expect(provider.requests).toHaveLength(1)
    expect(provider.duplicates).toBe(0)
    const [letter] = await scene.letters()
    expect(letter).toMatchObject({ reason: 'not-repeatable', delivery: 'unknown', replayable: true })
    const record = await scene.stack.deadLetters.get(letter?.id ?? '')
    expect(JSON.parse(Buffer.from(record?.request.body ?? []).toString())).toMatchObject({
      personalizations: [{ to: [{ email: 'ada@example.com' }] }],
      subject: 'Your order',
    })
  })

  it('sends a list as calls of their own: only the refused mail goes out again', async () => {
    const { provider, sdk } = await start()
    provider.faults = [{ instead: provider.limited(1) }]
    await sdk.send([mailTo('ada@example.com'), mailTo('grace@example.com')])
    expect(provider.requests).toHaveLength(3)
    expect([...provider.created.values()]).toEqual([1, 1])
  })
})

import { memoryStore } from 'undici-resilience'
import { createMailchimpTransactionalClient } from 'undici-resilience/providers/mailchimp'
import { FakeMailchimpTransactional } from '../../test/support/providers/fakes/fake-mailchimp-transactional.ts'

const provider = await new FakeMailchimpTransactional('md-example').start()

// The key of Mailchimp Transactional travels in the body. The client adds it below the stack: what is kept has no key, and can be replayed.
const store = memoryStore()
const options = { apiKey: 'md-example', baseUrl: provider.baseUrl, store }
const transactional = createMailchimpTransactionalClient(options)

provider.faults = [{ instead: provider.error('ServiceUnavailable', 'down for maintenance') }]
const mail = { from_email: 'shop@example.com', to: [{ email: 'ada@example.com' }], subject: 'Your order' }
await transactional.send(mail).catch((error: Error) => console.log(error.message.replace(/http\S+/, '<url>')))
await transactional.close()

const [item] = (await store.deadLetters.list()).items
const id = item?.id ?? ''
const letter = await store.deadLetters.get(id)
console.log(`kept: ${Buffer.from(letter?.request.body ?? []).toString()}`)

// Later, perhaps in another process: a person has decided that this mail is to go out.
const later = createMailchimpTransactionalClient(options)
const summary = await later.replay({ ids: [id] })
console.log(`replayed: ${summary.done}, mails sent: ${provider.created.size}`)

await later.close()
await store.close()
await provider.close()

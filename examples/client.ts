import { isIntegrationError, ResilientHttpClient } from 'undici-resilience'
import { startProvider } from './support/provider.ts'

const provider = await startProvider(503, 200, 422)

// A client object for one integration: base url, default headers, and errors instead of responses that are not ok.
const crm = new ResilientHttpClient({
  integration: 'crm',
  baseUrl: `${provider.url}/v3`,
  headers: { authorization: 'Bearer secret' },
  retry: { initialBackoffMs: 10 },
})

const contact = await crm.request('/contacts/1')
console.log('contact:', await contact.json())

try {
  await crm.request('/contacts', { method: 'POST', body: JSON.stringify({ email: 'not an address' }) })
} catch (error) {
  if (!isIntegrationError(error)) throw error
  const { name, code, integration, method, statusCode, attempts } = error
  console.log(`${name} ${code}: ${integration} ${method} gave ${statusCode} at attempt ${attempts}`)
}

await crm.close()
await provider.close()

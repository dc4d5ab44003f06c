import { createHash } from 'node:crypto'
import { type FakeAnswer, FakeProvider, type FakeRequest, ok } from './fake-provider.ts'

/** List members, tags and campaigns; ten requests at once, and a limit that tells no wait. */
export class FakeMailchimp extends FakeProvider {
  readonly prefix = '/3.0'
  readonly apiKey: string
  readonly #members = new Map<string, Record<string, unknown>>()
  readonly #events: Record<string, unknown>[] = []
  readonly #campaigns = new Set<string>()

  constructor(apiKey: string) {
    super()
    this.apiKey = apiKey
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    const [scheme, value = ''] = (headers.authorization ?? '').split(' ')
    const given = scheme === 'Basic' ? Buffer.from(value, 'base64').toString().split(':')[1] : value
    if (given === this.apiKey) return undefined
    return this.error(401, 'API Key Invalid', 'Your API key may be invalid')
  }

  limited(): FakeAnswer {
    return this.error(429, 'Too Many Requests', 'You have exceeded the limit of 10 simultaneous connections.')
  }

  /** The network before Mailchimp refuses, at extreme volume: no JSON. */
  deniedAtEdge(): FakeAnswer {
    return {
      status: 403,
      headers: { 'content-type': 'text/html' },
      body: '<html><h1>Access Denied</h1></html>',
    }
  }

  askedWait(): number {
    return 0
  }

  protected override isLimit(answer: FakeAnswer): boolean {
    return answer.status === 429 || (answer.status === 403 && typeof answer.body === 'string')
  }

  error(status: number, title: string, detail: string): FakeAnswer {
    const headers = {
      'content-type': 'application/problem+json',
      'x-request-id': `mc-${this.requests.length}`,
    }
    return {
      status,
      headers,
      body: { type: 'https://mailchimp.com/errors', title, status, detail, instance: 'i' },
    }
  }

  protected route({ method, path, json }: FakeRequest): FakeAnswer {
    const route = path.slice(this.prefix.length)
    if (route === '/ping') return ok({ health_status: "Everything's Chimpy!" })
    const [, list, hash, action] =
      /^\/lists\/([^/]+)\/members(?:\/([^/]+)(\/tags|\/events)?)?$/.exec(route) ?? []
    if (method === 'POST' && list !== undefined && hash === undefined) return this.#add(list, json)
    if (action === '/events') {
      if (method === 'GET') return ok({ events: this.#events })
      this.create(`event ${String(json['name'])}`)
      this.#events.push({ occurred_at: new Date().toISOString(), ...json })
      return { status: 204 }
    }
    const tags = action
    if (list !== undefined && hash !== undefined) {
      if (tags !== undefined) {
        return this.#members.has(hash) ? { status: 204 } : this.error(404, 'Resource Not Found', 'no member')
      }
      if (method === 'GET') {
        const member = this.#members.get(hash)
        return member === undefined ? this.error(404, 'Resource Not Found', 'no member') : ok(member)
      }
      if (method === 'PUT') {
        const email = String(json['email_address'])
        if (createHash('md5').update(email.toLowerCase()).digest('hex') !== hash) {
          return this.error(400, 'Invalid Resource', 'The email address does not match the hash.')
        }
        if (email.includes('compliance')) {
          return this.error(400, 'Member In Compliance State', `${email} is in a compliance state`)
        }
        const member = { id: hash, list_id: list, status: json['status_if_new'], ...json }
        this.#members.set(hash, member)
        return ok(member)
      }
    }
    const [, campaign] = /^\/campaigns\/([^/]+)\/actions\/send$/.exec(route) ?? []
    if (method === 'POST' && campaign !== undefined) {
      this.create(`campaign ${campaign}`)
      this.#campaigns.add(campaign)
      return { status: 204 }
    }
    const [, known] = /^\/campaigns\/([^/]+)$/.exec(route) ?? []
    if (known !== undefined) return ok({ id: known, status: this.#campaigns.has(known) ? 'sending' : 'save' })
    return this.error(404, 'Resource Not Found', 'The requested resource could not be found.')
  }

  /** Adds a member, who must not be there yet. */
  #add(list: string, json: Record<string, unknown>): FakeAnswer {
    const email = String(json['email_address'])
    const hash = createHash('md5').update(email.toLowerCase()).digest('hex')
    if (this.#members.has(hash)) return this.error(400, 'Member Exists', `${email} is already a list member`)
    this.create(`member ${email}`)
    const member = { id: hash, list_id: list, timestamp_opt: new Date().toISOString(), ...json }
    this.#members.set(hash, member)
    return ok(member)
  }
}

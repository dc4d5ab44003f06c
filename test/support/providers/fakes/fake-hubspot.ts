import { type FakeAnswer, FakeProvider, type FakeRequest, ok } from './fake-provider.ts'

interface Contact {
  id: string
  properties: Record<string, string>
  createdAt: string
  updatedAt: string
}

/** CRM contacts and deals, with the ten-secondly, secondly (search) and daily limits. */
export class FakeHubSpot extends FakeProvider {
  readonly prefix = ''
  readonly token: string
  readonly #contacts = new Map<string, Contact>()

  constructor(token: string) {
    super()
    this.token = token
  }

  protected unauthorized({ headers }: FakeRequest): FakeAnswer | undefined {
    if (headers.authorization === `Bearer ${this.token}`) return undefined
    return this.error(401, 'Authentication credentials not found.', 'INVALID_AUTHENTICATION')
  }

  limited(waitMs: number): FakeAnswer {
    const interval = String(Math.ceil(waitMs))
    return {
      status: 429,
      headers: {
        // of another plan than the preset's: what remains of it fills no window of ten seconds
        'x-hubspot-ratelimit-max': '190',
        'x-hubspot-ratelimit-remaining': '0',
        'x-hubspot-ratelimit-interval-milliseconds': interval,
      },
      body: this.limitBody('TEN_SECONDLY_ROLLING', 'You have reached your ten_secondly_rolling limit.'),
    }
  }

  /** The daily limit: no Retry-After, nothing but the policy's name. */
  daily(): FakeAnswer {
    return { status: 429, body: this.limitBody('DAILY', 'You have reached your daily limit.') }
  }

  /** The search limit: no rate headers and no policy. */
  secondly(): FakeAnswer {
    return { status: 429, body: { status: 'error', message: 'You have reached your secondly limit.' } }
  }

  askedWait({ headers = {}, body }: FakeAnswer): number {
    if (
      (body as { message?: string }).message?.includes('secondly limit.') &&
      headers['x-hubspot-ratelimit-max'] === undefined
    ) {
      return 1_000
    }
    return Number(headers['x-hubspot-ratelimit-interval-milliseconds'] ?? 0)
  }

  error(status: number, message: string, category: string): FakeAnswer {
    return {
      status,
      headers: { 'x-hubspot-correlation-id': `hs-${this.requests.length}` },
      body: { status: 'error', message, category, correlationId: `hs-${this.requests.length}` },
    }
  }

  protected route({ method, path: asked, json, query }: FakeRequest): FakeAnswer {
    // each dated version has the objects of the legacy one
    const path = asked.replace(/^\/crm\/objects\/\d{4}-\d{2}/, '/crm/v3/objects')
    const [, id, action] =
      /^\/crm\/v3\/objects\/(?:contacts|deals)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? []
    const isDeal = path.startsWith('/crm/v3/objects/deals')
    if (!isDeal && !path.startsWith('/crm/v3/objects/contacts')) {
      return this.error(404, 'not found', 'OBJECT_NOT_FOUND')
    }
    if (method === 'POST' && id === undefined) return isDeal ? this.#createDeal(json) : this.#create(json)
    if (method === 'POST' && id === 'search') {
      const all = [...this.#contacts.values()]
      const from = Number(json['after'] ?? 0)
      const to = from + Number(json['limit'] ?? 100)
      const paging = to < all.length ? { next: { after: String(to) } } : undefined
      return ok({ total: all.length, results: all.slice(from, to), paging })
    }
    if (method === 'POST' && id === 'batch' && action === 'upsert') return this.#upsert(json)
    const property = query.get('idProperty')
    const contact =
      property !== null
        ? [...this.#contacts.values()].find(
            (one) => one.properties[property] === decodeURIComponent(id ?? ''),
          )
        : this.#contacts.get(id ?? '')
    if (contact === undefined) return this.error(404, 'Object not found.', 'OBJECT_NOT_FOUND')
    if (method === 'PATCH') Object.assign(contact.properties, json['properties'])
    return ok(contact)
  }

  #create(json: Record<string, unknown>): FakeAnswer {
    const properties = (json['properties'] ?? {}) as Record<string, string>
    const { email } = properties
    if (email === undefined || !email.includes('@')) {
      return this.error(400, `Property values were not valid: email ${String(email)}`, 'VALIDATION_ERROR')
    }
    const known = [...this.#contacts.values()].find((one) => one.properties['email'] === email)
    this.create(`contact ${email}`)
    if (known !== undefined) {
      return this.error(409, `Contact already exists. Existing ID: ${known.id}`, 'CONFLICT')
    }
    return ok(this.#put(properties), 201)
  }

  #createDeal(json: Record<string, unknown>): FakeAnswer {
    const properties = (json['properties'] ?? {}) as Record<string, string>
    this.create(`deal ${properties['order_id']}`)
    return ok(this.#put(properties), 201)
  }

  #upsert(json: Record<string, unknown>): FakeAnswer {
    const inputs = json['inputs'] as { id: string; idProperty: string; properties: Record<string, string> }[]
    if (inputs.length > 100) return this.error(400, 'Batch size exceeds limit', 'VALIDATION_ERROR')
    const errors: object[] = []
    const results: object[] = []
    for (const { id, properties } of inputs) {
      if (!id.includes('@')) {
        errors.push({
          status: 'error',
          category: 'VALIDATION_ERROR',
          message: 'Email address is invalid',
          context: { id: [id] },
        })
        continue
      }
      const known = [...this.#contacts.values()].find((one) => one.properties['email'] === id)
      if (known !== undefined) Object.assign(known.properties, properties)
      results.push({ ...(known ?? this.#put(properties)), new: known === undefined })
    }
    const body = {
      status: 'COMPLETE',
      results,
      ...(errors.length === 0 ? {} : { numErrors: errors.length, errors }),
    }
    return { status: errors.length === 0 ? 200 : 207, body }
  }

  #put(properties: Record<string, string>): Contact {
    const id = String(this.#contacts.size + 1)
    const now = new Date().toISOString()
    const contact = { id, properties, createdAt: now, updatedAt: now }
    this.#contacts.set(id, contact)
    return contact
  }

  private limitBody(policyName: string, message: string): object {
    return {
      status: 'error',
      message,
      errorType: 'RATE_LIMIT',
      correlationId: `hs-${this.requests.length}`,
      policyName,
    }
  }
}

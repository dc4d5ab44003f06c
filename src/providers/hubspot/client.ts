import { IntegrationError } from '../../errors.ts'
import { arrayOption, stringOption } from '../../options.ts'
import { type Token, tokenOption } from '../shared/credential.ts'
import { type CallInit, ProviderClient, segment } from '../shared/provider-client.ts'
import type { ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { hubspotProvider } from './agent.ts'
import type {
  HubSpotBatchResult,
  HubSpotObject,
  HubSpotProperties,
  HubSpotSearch,
  HubSpotSearchResult,
  HubSpotUpsert,
} from './types.ts'

export interface HubSpotClientOptions extends ProviderOptions {
  /** A private app's access token, or what gives the current OAuth token. Required. */
  accessToken: Token
  /**
   * The account's time zone (IANA), in which its daily limit ends at midnight. Default: unknown, so that a call beyond
   * the daily limit is due again after 24 hours.
   */
  timeZone?: string
}

const contacts = '/crm/v3/objects/contacts'

/** The most inputs of one batch request. */
const MAX_BATCH = 100

/**
 * What applications do most with HubSpot, with the preset's resilience; everything else by `request(path, init)`.
 *
 * @example
 * const hubspot = createHubSpotClient({ accessToken: token, store })
 * const contact = await hubspot.createContact({ email: 'ada@example.com', firstname: 'Ada' })
 */
export class HubSpotClient extends ProviderClient {
  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: HubSpotClientOptions) {
    const rest = splitOptions('createHubSpotClient', options, ['accessToken', 'timeZone'])
    const token = tokenOption('accessToken', options.accessToken)
    super(hubspotProvider(options.timeZone), rest, async () => ({ authorization: `Bearer ${await token()}` }))
  }

  /** Creates a contact. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second contact. */
  async createContact(properties: HubSpotProperties, init: CallInit = {}): Promise<HubSpotObject> {
    return this.json('POST', contacts, { body: { properties }, ...init })
  }

  /** Sets properties of a contact; retried, since setting them twice changes nothing. */
  async updateContact(
    id: string | number,
    properties: HubSpotProperties,
    init: CallInit = {},
  ): Promise<HubSpotObject> {
    return this.json('PATCH', `${contacts}/${segment('id', id)}`, { body: { properties }, ...init })
  }

  /**
   * Creates the contact or updates the one with this e-mail address; safe to repeat, so it is retried.
   * @throws IntegrationError with status 207 when HubSpot refused this one input
   */
  async upsertContact(
    email: string,
    properties: HubSpotProperties = {},
    init: CallInit = {},
  ): Promise<HubSpotObject> {
    stringOption('email', email)
    const { results, errors } = await this.upsertContacts([{ email, properties }], init)
    const [result] = results
    if (result !== undefined) return result
    const [error] = errors
    throw new IntegrationError(`HubSpot refused the upsert: ${error?.message ?? 'no result and no error'}`, {
      code: 'ERR_HTTP_STATUS',
      integration: this.agent.integration,
      method: 'POST',
      statusCode: 207,
      providerCode: error?.category,
    })
  }

  /**
   * Up to 100 contacts by e-mail address; safe to repeat. A partial success (status 207) is no exception: `errors` says
   * what HubSpot refused, and those inputs were not retried.
   * @throws RangeError for no input, or more than 100
   */
  async upsertContacts(inputs: readonly HubSpotUpsert[], init: CallInit = {}): Promise<HubSpotBatchResult> {
    const all = arrayOption('inputs', inputs, (_name, input) => input as HubSpotUpsert)
    if (all.length < 1 || all.length > MAX_BATCH) {
      throw new RangeError(`\`inputs\` must hold 1 to ${MAX_BATCH} contacts, got ${all.length}`)
    }
    const body = {
      inputs: all.map(({ email, properties }, index) => ({
        idProperty: 'email',
        id: stringOption(`inputs[${index}].email`, email),
        properties: { email, ...properties },
      })),
    }
    const answer = await this.json<Partial<HubSpotBatchResult>>('POST', `${contacts}/batch/upsert`, {
      body,
      ...init,
    })
    const errors = answer.errors ?? []
    return { results: answer.results ?? [], errors, partial: errors.length > 0 }
  }

  /** Searches contacts; five per second and account. Retried, although it is a POST: it changes nothing. */
  async searchContacts(search: HubSpotSearch, init: CallInit = {}): Promise<HubSpotSearchResult> {
    return this.json('POST', `${contacts}/search`, { body: search, ...init })
  }
}

/** Makes a client for HubSpot. @see HubSpotClient */
export function createHubSpotClient(options: HubSpotClientOptions): HubSpotClient {
  return new HubSpotClient(options)
}

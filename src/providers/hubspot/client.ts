import { type Checks, optional, withDefault } from '../../checks.ts'
import { IntegrationError } from '../../errors.ts'
import { arrayOption, stringOption } from '../../options.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import type { ProviderOptions } from '../kit/agent/provider.ts'
import { type CurrentToken, type Token, tokenOption } from '../kit/client/credential.ts'
import { type CallInit, ProviderClient } from '../kit/client/provider-client.ts'
import { type Found, type Sought, textIn } from '../kit/settle/settle.ts'
import { hubSpotProvider } from './agent.ts'
import {
  apiVersionOption,
  associationPath,
  createdType,
  type HubSpotObjectRef,
  membershipsPath,
  objectsPath,
} from './api-version.ts'
import { timeZoneOption } from './daily-reset.ts'
import { HubSpotObjects } from './objects.ts'
import type {
  HubSpotBatchResult,
  HubSpotMemberships,
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
  timeZone?: string | undefined
  /**
   * The version of the API: `YYYY-MM` of a dated one, or `v3`, the legacy one, unsupported from September 2027. Default
   * `2026-09`, the newest that is generally available, supported until March 2028.
   */
  apiVersion?: string | undefined
  /**
   * The unique property by which `settle` looks up a create of a type: `{ deals: 'order_id' }`. Default: `email` for
   * contacts, none for others, whose creates of unknown fate are held for a person.
   */
  uniqueProperties?: Readonly<Record<string, string>> | undefined
}

interface OwnPolicy {
  readonly accessToken: CurrentToken
  readonly timeZone: string | undefined
  readonly apiVersion: string
  readonly uniqueProperties: Readonly<Record<string, string>>
}

const clientChecks: Checks<Omit<HubSpotClientOptions, keyof ProviderOptions>, OwnPolicy> = {
  accessToken: tokenOption,
  timeZone: optional(timeZoneOption),
  apiVersion: withDefault(apiVersionOption, '2026-09'),
  uniqueProperties: withDefault(uniquePropertiesOption, {}),
}

function uniquePropertiesOption(name: string, value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(
      `\`${name}\` must be an object of property names by type, got ${JSON.stringify(value)}`,
    )
  }
  const properties = Object.entries(value).map(([type, one]) => [type, stringOption(`${name}.${type}`, one)])
  return Object.fromEntries(properties) as Record<string, string>
}

/**
 * What applications do most with HubSpot, with the preset's resilience; everything else by `request(path, init)`.
 *
 * @example
 * const hubspot = createHubSpotClient({ accessToken: token, store })
 * const contact = await hubspot.createContact({ email: 'ada@example.com', firstname: 'Ada' })
 * await hubspot.associate({ type: 'contacts', id: contact.id }, { type: 'companies', id: companyId })
 */
export class HubSpotClient extends ProviderClient {
  readonly contacts: HubSpotObjects
  readonly companies: HubSpotObjects
  readonly deals: HubSpotObjects
  readonly tickets: HubSpotObjects
  readonly notes: HubSpotObjects
  readonly tasks: HubSpotObjects
  readonly #apiVersion: string
  readonly #uniqueProperties: Readonly<Record<string, string>>

  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: HubSpotClientOptions) {
    const { own, rest } = splitOptions('createHubSpotClient', clientChecks, options)
    super(hubSpotProvider(own.timeZone), rest, async () => ({
      authorization: `Bearer ${await own.accessToken()}`,
    }))
    this.#apiVersion = own.apiVersion
    this.#uniqueProperties = { contacts: 'email', ...own.uniqueProperties }
    this.contacts = this.objects('contacts')
    this.companies = this.objects('companies')
    this.deals = this.objects('deals')
    this.tickets = this.objects('tickets')
    this.notes = this.objects('notes')
    this.tasks = this.objects('tasks')
  }

  /** The objects of any other type: `meetings`, or a custom type's `p12345_ship` or `2-12345`. */
  objects(type: string): HubSpotObjects {
    return new HubSpotObjects(objectsPath(this.#apiVersion, stringOption('type', type)), (...sent) =>
      this.json(...sent),
    )
  }

  /** Creates a contact. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second contact. */
  async createContact(properties: HubSpotProperties, init: CallInit = {}): Promise<HubSpotObject> {
    return this.contacts.create(properties, init)
  }

  /** Sets properties of a contact; retried, since setting them twice changes nothing. */
  async updateContact(
    id: string | number,
    properties: HubSpotProperties,
    init: CallInit = {},
  ): Promise<HubSpotObject> {
    return this.contacts.update(id, properties, init)
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
    const all = arrayOption('inputs', inputs, (name, input) => {
      const { email, properties = {} } = input as HubSpotUpsert
      return { id: stringOption(`${name}.email`, email), properties }
    })
    return this.contacts.upsert('email', all, init)
  }

  /** Searches contacts; five per second and account. Retried, although it is a POST: it changes nothing. */
  async searchContacts(search: HubSpotSearch, init: CallInit = {}): Promise<HubSpotSearchResult> {
    return this.contacts.search(search, init)
  }

  /** All contacts that a search finds, page by page, 200 at a time; HubSpot gives 10,000 at most. */
  foundContacts(search: HubSpotSearch, init: CallInit = {}): AsyncGenerator<HubSpotObject, void, undefined> {
    return this.contacts.found(search, init)
  }

  /** The contact with this e-mail address; `undefined` where there is none. Retried: a GET. */
  async findContact(email: string, init: CallInit = {}): Promise<HubSpotObject | undefined> {
    return this.contacts.find('email', email, {}, init)
  }

  /**
   * Joins two objects by the association that HubSpot has for their types. A PUT, so it is retried.
   * @see https://developers.hubspot.com/docs/api-reference/2026-03/crm/associations/associate-records/update-association
   */
  async associate(from: HubSpotObjectRef, to: HubSpotObjectRef, init: CallInit = {}): Promise<void> {
    await this.json('PUT', associationPath(this.#apiVersion, from, to), init)
  }

  /**
   * Puts objects on a list that is kept by hand (`MANUAL` or `SNAPSHOT`). A PUT, so it is retried: who is on it stays on it.
   * @see https://developers.hubspot.com/docs/api-reference/2026-03/crm/lists/memberships/add-to-list
   */
  async addToList(
    listId: string | number,
    recordIds: readonly (string | number)[],
    init: CallInit = {},
  ): Promise<HubSpotMemberships> {
    return this.#members('add', listId, recordIds, init)
  }

  /** Takes objects off a list that is kept by hand. A PUT, so it is retried. */
  async removeFromList(
    listId: string | number,
    recordIds: readonly (string | number)[],
    init: CallInit = {},
  ): Promise<HubSpotMemberships> {
    return this.#members('remove', listId, recordIds, init)
  }

  async #members(
    change: 'add' | 'remove',
    listId: string | number,
    recordIds: readonly (string | number)[],
    init: CallInit,
  ): Promise<HubSpotMemberships> {
    const body = arrayOption('recordIds', recordIds, (_name, id) => String(id))
    return this.json('PUT', `${membershipsPath(this.#apiVersion, listId)}/${change}`, { body, ...init })
  }

  /** An object by its unique property. One that was there before is left to a person: the create was refused. */
  protected override async lookUp({ method, path, body, since }: Sought): Promise<Found> {
    const type = createdType(path)
    const property = type === undefined ? undefined : this.#uniqueProperties[type]
    if (method !== 'POST' || type === undefined || property === undefined) return undefined
    const value = textIn(body['properties'], property)
    if (value === undefined) return undefined
    const object = await this.objects(type).find(property, value)
    if (object === undefined) return 'not-done'
    return Date.parse(object.createdAt) >= since ? 'done' : undefined
  }
}

/** Makes a client for HubSpot. @see HubSpotClient */
export function createHubSpotClient(options: HubSpotClientOptions): HubSpotClient {
  return new HubSpotClient(options)
}

import { isIntegrationError } from '../../errors.ts'
import { arrayOption, stringOption } from '../../options.ts'
import { everyItem } from '../kit/client/pages.ts'
import type { CallInit, SendJson } from '../kit/client/provider-client.ts'
import { segment } from '../kit/client/segment.ts'
import type {
  HubSpotAssociation,
  HubSpotBatchResult,
  HubSpotObject,
  HubSpotObjectUpsert,
  HubSpotProperties,
  HubSpotSearch,
  HubSpotSearchResult,
} from './types.ts'

/** The most inputs of one batch request. */
const MAX_BATCH = 100

/**
 * The objects of one type: contacts, companies, deals, tickets, notes, tasks, or a custom type. All have the same methods.
 *
 * @see https://developers.hubspot.com/docs/api-reference/2026-03/crm/objects/custom-objects/create-custom-object
 * @example
 * const deal = await hubspot.deals.create({ dealname: 'Order 42', amount: 100 })
 * await hubspot.deals.update(deal.id, { dealstage: 'closedwon' })
 */
export class HubSpotObjects {
  readonly #path: string
  readonly #json: SendJson

  /** @param path where the objects are, under the base url */
  constructor(path: string, json: SendJson) {
    this.#path = path
    this.#json = json
  }

  /**
   * Creates one. Not repeatable, HubSpot has no idempotency key: after a timeout or a 5xx it becomes a dead letter instead
   * of a second object. `upsert` by a key of your own may be repeated.
   *
   * @param init `associations`: what it belongs to from the start, a note's contact for example
   */
  async create(
    properties: HubSpotProperties,
    { associations, ...init }: CallInit & { associations?: readonly HubSpotAssociation[] | undefined } = {},
  ): Promise<HubSpotObject> {
    const body = { properties, ...(associations === undefined ? {} : { associations }) }
    return this.#json('POST', this.#path, { body, ...init })
  }

  /**
   * The object with this id. A GET, so it is retried.
   * @param query the properties to give; without them HubSpot gives a few of its choice
   * @throws IntegrationError with status 404 where there is none
   */
  async get(
    id: string | number,
    query: { properties?: readonly string[] | undefined } = {},
    init: CallInit = {},
  ): Promise<HubSpotObject> {
    return this.#json('GET', `${this.#path}/${segment('id', id)}`, { query: joined(query), ...init })
  }

  /**
   * The object whose unique property has this value; `undefined` where there is none. A GET, so it is retried.
   * @param idProperty a property that HubSpot keeps unique: `email` of contacts, `domain` is none
   */
  async find(
    idProperty: string,
    value: string,
    query: { properties?: readonly string[] | undefined } = {},
    init: CallInit = {},
  ): Promise<HubSpotObject | undefined> {
    const path = `${this.#path}/${segment(idProperty, value)}`
    try {
      return await this.#json('GET', path, {
        query: { idProperty: stringOption('idProperty', idProperty), ...joined(query) },
        ...init,
      })
    } catch (error) {
      if (isIntegrationError(error) && error.statusCode === 404) return undefined
      throw error
    }
  }

  /** Sets properties; retried, since setting them twice changes nothing. */
  async update(
    id: string | number,
    properties: HubSpotProperties,
    init: CallInit = {},
  ): Promise<HubSpotObject> {
    return this.#json('PATCH', `${this.#path}/${segment('id', id)}`, { body: { properties }, ...init })
  }

  /**
   * Creates or updates up to 100, each by a unique property; safe to repeat, so it is retried. A partial success (status
   * 207) is no exception: `errors` says what HubSpot refused, and those inputs were not retried.
   *
   * @param idProperty the unique property, `email` for contacts
   * @throws RangeError for no input, or more than 100
   */
  async upsert(
    idProperty: string,
    inputs: readonly HubSpotObjectUpsert[],
    init: CallInit = {},
  ): Promise<HubSpotBatchResult> {
    stringOption('idProperty', idProperty)
    const all = arrayOption('inputs', inputs, (_name, input) => input as HubSpotObjectUpsert)
    if (all.length < 1 || all.length > MAX_BATCH) {
      const type = this.#path.slice(this.#path.lastIndexOf('/') + 1)
      throw new RangeError(`\`inputs\` must hold 1 to ${MAX_BATCH} ${type}, got ${all.length}`)
    }
    const body = {
      inputs: all.map(({ id, properties }, index) => ({
        idProperty,
        id: stringOption(`inputs[${index}].id`, id),
        properties: { [idProperty]: id, ...properties },
      })),
    }
    const answer = await this.#json<Partial<HubSpotBatchResult>>('POST', `${this.#path}/batch/upsert`, {
      body,
      ...init,
    })
    const errors = answer.errors ?? []
    return { results: answer.results ?? [], errors, partial: errors.length > 0 }
  }

  /** A page of a search; five per second and account. Retried, although it is a POST: it changes nothing. */
  async search(search: HubSpotSearch, init: CallInit = {}): Promise<HubSpotSearchResult> {
    return this.#json('POST', `${this.#path}/search`, { body: search, ...init })
  }

  /** All that a search finds, page by page, 200 at a time; HubSpot gives 10,000 at most. */
  found(search: HubSpotSearch, init: CallInit = {}): AsyncGenerator<HubSpotObject, void, undefined> {
    return everyItem(async (page: string | undefined) => {
      const after = page ?? search.after
      const { results, paging } = await this.search(
        { limit: 200, ...search, ...(after === undefined ? {} : { after }) },
        init,
      )
      return { items: results, next: paging?.next?.after }
    })
  }

  /** Moves the object to the recycling bin. A DELETE, so it is retried. */
  async archive(id: string | number, init: CallInit = {}): Promise<void> {
    await this.#json('DELETE', `${this.#path}/${segment('id', id)}`, init)
  }
}

/** Lists in a query of HubSpot's are one value. */
function joined({ properties }: { properties?: readonly string[] | undefined }): {
  properties?: string | undefined
} {
  return properties === undefined ? {} : { properties: properties.join(',') }
}

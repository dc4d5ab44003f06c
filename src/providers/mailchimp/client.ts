import { type Checks, optional } from '../../checks.ts'
import { isIntegrationError } from '../../errors.ts'
import { arrayOption, stringOption } from '../../options.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import type { ProviderOptions } from '../kit/agent/provider.ts'
import { credentialOption, type Token, tokenOption } from '../kit/client/credential.ts'
import { everyItem } from '../kit/client/pages.ts'
import { type CallInit, ProviderClient } from '../kit/client/provider-client.ts'
import { segment } from '../kit/client/segment.ts'
import type { Found, Sought } from '../kit/settle/settle.ts'
import { account, type Credentials, dataCenterOption } from './account.ts'
import { mailchimpProvider } from './agent.ts'
import { lookUpMailchimp } from './look-up.ts'
import { memberHash } from './member-hash.ts'
import type {
  MailchimpBatch,
  MailchimpEvent,
  MailchimpList,
  MailchimpMember,
  MailchimpMemberFields,
  MailchimpMemberQuery,
  MailchimpOperation,
} from './types.ts'

/** Either `apiKey`, or `accessToken` with `dataCenter`. */
export interface MailchimpClientOptions extends ProviderOptions {
  /** An API key with its data centre: `0123456789abcdef0123456789abcdef-us6`. */
  apiKey?: string | undefined
  /** An OAuth 2 token, or what gives the current one. */
  accessToken?: Token | undefined
  /** The account's data centre, `us6`: what the metadata endpoint of OAuth calls `dc`. */
  dataCenter?: string | undefined
}

const clientChecks: Checks<Omit<MailchimpClientOptions, keyof ProviderOptions>, Credentials> = {
  apiKey: optional(credentialOption),
  accessToken: optional(tokenOption),
  dataCenter: optional(dataCenterOption),
}

/**
 * What applications do most with Mailchimp Marketing, with the preset's resilience; everything else by
 * `request(path, init)`.
 *
 * @example
 * const mailchimp = createMailchimpClient({ apiKey: key, store })
 * await mailchimp.setMember(listId, 'ada@example.com', { status_if_new: 'subscribed', merge_fields: { FNAME: 'Ada' } })
 */
export class MailchimpClient extends ProviderClient {
  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: MailchimpClientOptions) {
    const { own, rest } = splitOptions('createMailchimpClient', clientChecks, options)
    const { dataCenter, credentials } = account(own)
    super({ ...mailchimpProvider, baseUrl: `https://${dataCenter}.api.mailchimp.com/3.0` }, rest, credentials)
  }

  /**
   * Adds the address to a list, or updates the member that is there; a PUT, so it is retried.
   * @throws RangeError for an invalid e-mail address, before any request
   */
  async setMember(
    listId: string,
    email: string,
    fields: MailchimpMemberFields = {},
    init: CallInit = {},
  ): Promise<MailchimpMember> {
    const body = { email_address: email, status_if_new: 'subscribed', ...fields }
    return this.json('PUT', memberPath(listId, email), { body, ...init })
  }

  /**
   * Sets tags of a member on (`true`) or off. Retried, although it is a POST: setting them twice changes nothing.
   * @throws RangeError for an invalid e-mail address, before any request
   */
  async setTags(
    listId: string,
    email: string,
    tags: Readonly<Record<string, boolean>>,
    init: CallInit = {},
  ): Promise<void> {
    const path = `${memberPath(listId, email)}/tags`
    const list = arrayOption('tags', Object.keys(tags), stringOption)
    const body = { tags: list.map((name) => ({ name, status: tags[name] === true ? 'active' : 'inactive' })) }
    await this.json('POST', path, { body, ...init })
  }

  /**
   * The member with this address; `undefined` where there is none. A GET, so it is retried.
   * @throws RangeError for an invalid e-mail address, before any request
   */
  async findMember(listId: string, email: string, init: CallInit = {}): Promise<MailchimpMember | undefined> {
    try {
      return await this.json('GET', memberPath(listId, email), init)
    } catch (error) {
      if (isIntegrationError(error) && error.statusCode === 404) return undefined
      throw error
    }
  }

  /** Members whose address or name fits, of one list or of all; 30 at most. A GET, so it is retried. */
  async searchMembers(
    query: string,
    { listId, ...init }: { listId?: string | undefined } & CallInit = {},
  ): Promise<MailchimpMember[]> {
    const { exact_matches: exact, full_search: other } = await this.json<{
      exact_matches: { members: MailchimpMember[] }
      full_search: { members: MailchimpMember[] }
    }>('GET', '/search-members', { query: { query: stringOption('query', query), list_id: listId }, ...init })
    const known = new Set(exact.members.map(({ id, list_id }) => `${list_id} ${id}`))
    return [...exact.members, ...other.members.filter(({ id, list_id }) => !known.has(`${list_id} ${id}`))]
  }

  /** All members of a list, page by page, 1,000 at a time; each page is a GET and retried. */
  members(
    listId: string,
    query: MailchimpMemberQuery = {},
    init: CallInit = {},
  ): AsyncGenerator<MailchimpMember, void, undefined> {
    const path = `/lists/${segment('listId', listId)}/members`
    return this.#pages(
      path,
      query,
      init,
      (page: MailchimpPage & { members: MailchimpMember[] }) => page.members,
    )
  }

  /** All lists (audiences), page by page; each page is a GET and retried. */
  lists(init: CallInit = {}): AsyncGenerator<MailchimpList, void, undefined> {
    return this.#pages('/lists', {}, init, (page: MailchimpPage & { lists: MailchimpList[] }) => page.lists)
  }

  /**
   * Ends the subscription of a member. A PATCH that sets a status, so it is retried.
   * @throws RangeError for an invalid e-mail address, before any request
   */
  async unsubscribeMember(listId: string, email: string, init: CallInit = {}): Promise<MailchimpMember> {
    return this.json('PATCH', memberPath(listId, email), { body: { status: 'unsubscribed' }, ...init })
  }

  /**
   * Archives a member, who can be added again. A DELETE, so it is retried; one that is archived already is a 404 or 405.
   * @throws RangeError for an invalid e-mail address, before any request
   */
  async archiveMember(listId: string, email: string, init: CallInit = {}): Promise<void> {
    await this.json('DELETE', memberPath(listId, email), init)
  }

  /**
   * Tells of something that a member did, by which automations start. Not repeatable: it would be a second event.
   * @throws RangeError for an invalid e-mail address, before any request
   */
  async addEvent(listId: string, email: string, event: MailchimpEvent, init: CallInit = {}): Promise<void> {
    await this.json('POST', `${memberPath(listId, email)}/events`, { body: event, ...init })
  }

  /**
   * Hands over many operations at once, which Mailchimp works off later: for what would need more than ten connections.
   * Not repeatable: each would be done twice.
   * @throws RangeError for no operation
   */
  async createBatch(operations: readonly MailchimpOperation[], init: CallInit = {}): Promise<MailchimpBatch> {
    if (arrayOption('operations', operations, (_name, one) => one).length === 0) {
      throw new RangeError('`operations` must hold at least 1, got 0')
    }
    const body = {
      operations: operations.map(({ body: operationBody, ...rest }) => ({
        ...rest,
        // Mailchimp takes the body of an operation as text
        ...(operationBody === undefined ? {} : { body: JSON.stringify(operationBody) }),
      })),
    }
    return this.json('POST', '/batches', { body, ...init })
  }

  /** How far a batch is. A GET, so it is retried. */
  async getBatch(id: string, init: CallInit = {}): Promise<MailchimpBatch> {
    return this.json('GET', `/batches/${segment('id', id)}`, init)
  }

  /** A member that was added, an event of a member, a campaign that was sent. */
  protected override async lookUp(sought: Sought): Promise<Found> {
    return lookUpMailchimp(sought, (...sent) => this.json(...sent))
  }

  #pages<Page extends MailchimpPage, Item>(
    path: string,
    { count = 1_000, offset = 0, ...query }: MailchimpMemberQuery,
    init: CallInit,
    itemsOf: (page: Page) => Item[],
  ): AsyncGenerator<Item, void, undefined> {
    return everyItem(async (from: number | undefined) => {
      const at = from ?? offset
      const page = await this.json<Page>('GET', path, { query: { ...query, count, offset: at }, ...init })
      const items = itemsOf(page)
      const next = at + items.length
      // an empty page that promises more would promise it for ever
      return { items, next: items.length > 0 && next < page.total_items ? next : undefined }
    })
  }
}

interface MailchimpPage {
  total_items: number
}

function memberPath(listId: string, email: string): string {
  return `/lists/${segment('listId', listId)}/members/${memberHash(email)}`
}

/** Makes a client for Mailchimp Marketing. @see MailchimpClient */
export function createMailchimpClient(options: MailchimpClientOptions): MailchimpClient {
  return new MailchimpClient(options)
}

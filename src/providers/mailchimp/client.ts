import { arrayOption, stringOption } from '../../options.ts'
import { basicAuthorization, credentialOption, type Token, tokenOption } from '../shared/credential.ts'
import { type CallInit, ProviderClient, segment } from '../shared/provider-client.ts'
import type { ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { mailchimpProvider } from './agent.ts'
import { memberHash } from './member-hash.ts'
import type { MailchimpMember, MailchimpMemberFields } from './types.ts'

/** Either `apiKey`, or `accessToken` with `dataCenter`. */
export interface MailchimpClientOptions extends ProviderOptions {
  /** An API key with its data centre: `0123456789abcdef0123456789abcdef-us6`. */
  apiKey?: string
  /** An OAuth 2 token, or what gives the current one. */
  accessToken?: Token
  /** The account's data centre, `us6`: what the metadata endpoint of OAuth calls `dc`. */
  dataCenter?: string
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
    const rest = splitOptions('createMailchimpClient', options, ['apiKey', 'accessToken', 'dataCenter'])
    const { dataCenter, credentials } = account(options)
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
    const path = `/lists/${segment('listId', listId)}/members/${memberHash(email)}`
    const body = { email_address: email, status_if_new: 'subscribed', ...fields }
    return this.json('PUT', path, { body, ...init })
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
    const path = `/lists/${segment('listId', listId)}/members/${memberHash(email)}/tags`
    const list = arrayOption('tags', Object.keys(tags), stringOption)
    const body = { tags: list.map((name) => ({ name, status: tags[name] === true ? 'active' : 'inactive' })) }
    await this.json('POST', path, { body, ...init })
  }
}

interface Account {
  dataCenter: string
  credentials: () => Promise<Record<string, string>>
}

function account({ apiKey, accessToken, dataCenter }: MailchimpClientOptions): Account {
  if (accessToken !== undefined) {
    if (apiKey !== undefined) throw new TypeError('`apiKey` and `accessToken` exclude each other, got both')
    const token = tokenOption('accessToken', accessToken)
    return {
      dataCenter: dataCenterOption('dataCenter', dataCenter),
      credentials: async () => ({ authorization: `Bearer ${await token()}` }),
    }
  }
  const key = credentialOption('apiKey', apiKey)
  const suffix = /^[^-]+-([^-]+)$/.exec(key)?.[1]
  if (suffix === undefined) {
    throw new RangeError('`apiKey` must end in its data centre, as in "...-us6"; its value is not shown')
  }
  const own = dataCenterOption('apiKey suffix', suffix)
  if (dataCenter !== undefined && dataCenterOption('dataCenter', dataCenter) !== own) {
    throw new RangeError(`\`dataCenter\` must be the key's own, "${own}", got ${JSON.stringify(dataCenter)}`)
  }
  const headers = { authorization: basicAuthorization('anystring', key) }
  return { dataCenter: own, credentials: () => Promise.resolve(headers) }
}

/** Also what keeps a forged suffix (`us6.evil.example/`) from choosing the host that the key is sent to. */
function dataCenterOption(name: string, value: unknown): string {
  const text = stringOption(name, value)
  if (!/^[a-z]{2}\d{1,3}$/.test(text)) {
    throw new RangeError(
      `\`${name}\` must be a data centre such as "us6", got ${JSON.stringify(text.slice(0, 20))}`,
    )
  }
  return text
}

/** Makes a client for Mailchimp Marketing. @see MailchimpClient */
export function createMailchimpClient(options: MailchimpClientOptions): MailchimpClient {
  return new MailchimpClient(options)
}

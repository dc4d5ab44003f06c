import { type Checks, optional } from '../../checks.ts'
import { isIntegrationError } from '../../errors.ts'
import { arrayOption, stringOption } from '../../options.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import type { ProviderOptions } from '../kit/agent/provider.ts'
import { credentialOption } from '../kit/client/credential.ts'
import { everyItem } from '../kit/client/pages.ts'
import { type CallInit, ProviderClient } from '../kit/client/provider-client.ts'
import { segment } from '../kit/client/segment.ts'
import { sendGridProvider } from './agent.ts'
import type {
  SendGridContact,
  SendGridFoundContact,
  SendGridList,
  SendGridMessage,
  SendGridValidation,
} from './types.ts'

export interface SendGridClientOptions extends ProviderOptions {
  /** An API key (`SG....`). Required. */
  apiKey: string
  /** Sends in the name of a subuser, or of an account (`account-id <id>`): the header `on-behalf-of`. */
  onBehalfOf?: string | undefined
}

interface OwnPolicy {
  readonly apiKey: string
  readonly onBehalfOf: string | undefined
}

const clientChecks: Checks<Omit<SendGridClientOptions, keyof ProviderOptions>, OwnPolicy> = {
  apiKey: credentialOption,
  onBehalfOf: optional(stringOption),
}

/** The most contacts of one upsert, and the most recipients of one mail. */
const MAX_CONTACTS = 30_000
const MAX_RECIPIENTS = 1_000

/**
 * What applications do most with SendGrid, with the preset's resilience; everything else by `request(path, init)`. For
 * the European region: `baseUrl: 'https://api.eu.sendgrid.com'`.
 *
 * @example
 * const sendgrid = createSendGridClient({ apiKey: key, store })
 * await sendgrid.send({ personalizations: [{ to: [{ email }] }], from, subject, content })
 */
export class SendGridClient extends ProviderClient {
  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: SendGridClientOptions) {
    const { own, rest } = splitOptions('createSendGridClient', clientChecks, options)
    const headers: Record<string, string> = { authorization: `Bearer ${own.apiKey}` }
    if (own.onBehalfOf !== undefined) headers['on-behalf-of'] = own.onBehalfOf
    super(sendGridProvider, rest, () => headers)
  }

  /**
   * Hands a mail to SendGrid. SendGrid knows no idempotency key: after a timeout or a 5xx nobody can say whether it was
   * sent, so it becomes a dead letter instead of a second mail.
   * @returns the id that SendGrid gave it
   * @throws RangeError for no recipient, or more than 1,000
   */
  async send(message: SendGridMessage, init: CallInit = {}): Promise<{ messageId: string | undefined }> {
    const personalizations = arrayOption('personalizations', message.personalizations, (_name, one) => one)
    let recipients = 0
    for (const { to = [], cc = [], bcc = [] } of personalizations as SendGridMessage['personalizations']) {
      recipients += to.length + cc.length + bcc.length
    }
    if (recipients < 1 || recipients > MAX_RECIPIENTS) {
      throw new RangeError(
        `\`personalizations\` must name 1 to ${MAX_RECIPIENTS} recipients, got ${recipients}`,
      )
    }
    const response = await this.call('POST', '/v3/mail/send', { body: message, ...init })
    await response.body?.cancel()
    return { messageId: response.headers.get('x-message-id') ?? undefined }
  }

  /**
   * Creates or updates marketing contacts by e-mail address; a PUT, so it is retried. SendGrid does it later.
   * @throws RangeError for no contact, or more than 30,000
   */
  async upsertContacts(
    contacts: readonly SendGridContact[],
    options: { listIds?: readonly string[] | undefined } & CallInit = {},
  ): Promise<{ jobId: string }> {
    const count = arrayOption('contacts', contacts, (_name, one) => one).length
    if (count < 1 || count > MAX_CONTACTS) {
      throw new RangeError(`\`contacts\` must hold 1 to ${MAX_CONTACTS} contacts, got ${count}`)
    }
    const { listIds, ...init } = options
    const body = { contacts, ...(listIds === undefined ? {} : { list_ids: listIds }) }
    const answer = await this.json<{ job_id: string }>('PUT', '/v3/marketing/contacts', { body, ...init })
    return { jobId: answer.job_id }
  }

  /**
   * The marketing contacts with these e-mail addresses, by address; those that are none are left out. Retried, although it
   * is a POST: it changes nothing.
   * @see https://www.twilio.com/docs/sendgrid/api-reference/contacts/get-contacts-by-emails
   */
  async findContacts(
    emails: readonly string[],
    init: CallInit = {},
  ): Promise<Record<string, SendGridFoundContact>> {
    const body = { emails: arrayOption('emails', emails, stringOption) }
    const path = '/v3/marketing/contacts/search/emails'
    try {
      const { result } = await this.json<{ result: Record<string, { contact?: SendGridFoundContact }> }>(
        'POST',
        path,
        { body, ...init },
      )
      const found = Object.entries(result).flatMap(([email, { contact }]) =>
        contact === undefined ? [] : [[email, contact] as const],
      )
      return Object.fromEntries(found)
    } catch (error) {
      // none of them
      if (isIntegrationError(error) && error.statusCode === 404) return {}
      throw error
    }
  }

  /** Deletes marketing contacts by their ids. A DELETE, so it is retried. SendGrid does it later. */
  async deleteContacts(ids: readonly string[], init: CallInit = {}): Promise<{ jobId: string }> {
    const query = { ids: arrayOption('ids', ids, stringOption).join(',') }
    const answer = await this.json<{ job_id: string }>('DELETE', '/v3/marketing/contacts', { query, ...init })
    return { jobId: answer.job_id }
  }

  /** All lists of marketing contacts, page by page; each page is a GET and retried. */
  lists(init: CallInit = {}): AsyncGenerator<SendGridList, void, undefined> {
    return everyItem(async (page: string | undefined) => {
      const query = { page_size: 100, page_token: page }
      const { result, _metadata: about } = await this.json<{
        result: SendGridList[]
        _metadata?: { next?: string }
      }>('GET', '/v3/marketing/lists', { query, ...init })
      const next =
        about?.next === undefined ? undefined : URL.parse(about.next)?.searchParams.get('page_token')
      return { items: result, next: next ?? undefined }
    })
  }

  /** Makes a list. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second list. */
  async createList(name: string, init: CallInit = {}): Promise<SendGridList> {
    const body = { name: stringOption('name', name) }
    return this.json('POST', '/v3/marketing/lists', { body, ...init })
  }

  /**
   * Keeps all mail from these addresses (the global unsubscribes). Retried, although it is a POST: an address that is on
   * the list stays on it.
   * @see https://www.twilio.com/docs/sendgrid/api-reference/suppressions-global-suppressions
   */
  async suppress(emails: readonly string[], init: CallInit = {}): Promise<void> {
    const body = { recipient_emails: arrayOption('emails', emails, stringOption) }
    await this.json('POST', '/v3/asm/suppressions/global', { body, ...init })
  }

  /** Lets mail go to the address again. A DELETE, so it is retried. */
  async unsuppress(email: string, init: CallInit = {}): Promise<void> {
    await this.json('DELETE', `/v3/asm/suppressions/global/${segment('email', email)}`, init)
  }

  /** Whether the address is one of the global unsubscribes. A GET, so it is retried. */
  async isSuppressed(email: string, init: CallInit = {}): Promise<boolean> {
    const path = `/v3/asm/suppressions/global/${segment('email', email)}`
    const answer = await this.json<{ recipient_email?: string }>('GET', path, init)
    return answer.recipient_email !== undefined
  }

  /**
   * Whether mail to the address will arrive, as far as SendGrid can tell; needs an API key of its own.
   * Not repeated after a timeout or a 5xx: each validation is paid for.
   * @param source where the address comes from, for SendGrid's statistics
   */
  async validateEmail(
    email: string,
    { source, ...init }: { source?: string | undefined } & CallInit = {},
  ): Promise<SendGridValidation> {
    const body = { email: stringOption('email', email), source }
    return (
      await this.json<{ result: SendGridValidation }>('POST', '/v3/validations/email', { body, ...init })
    ).result
  }
}

/** Makes a client for SendGrid. @see SendGridClient */
export function createSendGridClient(options: SendGridClientOptions): SendGridClient {
  return new SendGridClient(options)
}

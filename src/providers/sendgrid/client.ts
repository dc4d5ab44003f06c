import { arrayOption, stringOption } from '../../options.ts'
import { credentialOption } from '../shared/credential.ts'
import { type CallInit, ProviderClient } from '../shared/provider-client.ts'
import type { ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { sendGridProvider } from './agent.ts'
import type { SendGridContact, SendGridMessage } from './types.ts'

export interface SendGridClientOptions extends ProviderOptions {
  /** An API key (`SG....`). Required. */
  apiKey: string
  /** Sends in the name of a subuser, or of an account (`account-id <id>`): the header `on-behalf-of`. */
  onBehalfOf?: string
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
    const rest = splitOptions('createSendGridClient', options, ['apiKey', 'onBehalfOf'])
    const headers: Record<string, string> = {
      authorization: `Bearer ${credentialOption('apiKey', options.apiKey)}`,
    }
    if (options.onBehalfOf !== undefined) {
      headers['on-behalf-of'] = stringOption('onBehalfOf', options.onBehalfOf)
    }
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
    options: { listIds?: readonly string[] } & CallInit = {},
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
}

/** Makes a client for SendGrid. @see SendGridClient */
export function createSendGridClient(options: SendGridClientOptions): SendGridClient {
  return new SendGridClient(options)
}

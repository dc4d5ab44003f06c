import type { Checks } from '../../checks.ts'
import { stringOption } from '../../options.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import type { ProviderOptions } from '../kit/agent/provider.ts'
import { credentialOption } from '../kit/client/credential.ts'
import { type CallInit, ProviderClient } from '../kit/client/provider-client.ts'
import type { Found, Sought } from '../kit/settle/settle.ts'
import { mailchimpTransactionalProvider } from './agent.ts'
import type {
  MailchimpTransactionalFound,
  MailchimpTransactionalMessage,
  MailchimpTransactionalReject,
  MailchimpTransactionalResult,
  MailchimpTransactionalSent,
  MailchimpTransactionalTemplate,
} from './types.ts'

export interface MailchimpTransactionalClientOptions extends ProviderOptions {
  /** An API key of Mailchimp Transactional. Required. It is added to each body below the stack, where no record sees it. */
  apiKey: string
}

const clientChecks: Checks<
  Omit<MailchimpTransactionalClientOptions, keyof ProviderOptions>,
  { readonly apiKey: string }
> = { apiKey: credentialOption }

/** Options of a transactional mail beside the message. */
export interface MailchimpTransactionalSendOptions extends CallInit {
  /** Sent in the background; then every recipient is `queued`. */
  async?: boolean | undefined
  ip_pool?: string | undefined
  /** UTC, `2026-12-24 09:00:00`; costs extra. */
  send_at?: string | undefined
}

/**
 * Sends transactional mail with the preset's resilience; everything else by `request(path, init)`, whose body must be a
 * JSON object without `key`.
 *
 * @example
 * const mailer = createMailchimpTransactionalClient({ apiKey: key, store })
 * const { rejected } = await mailer.send({ from_email, to: [{ email }], subject, text })
 */
export class MailchimpTransactionalClient extends ProviderClient {
  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: MailchimpTransactionalClientOptions) {
    const { own, rest } = splitOptions('createMailchimpTransactionalClient', clientChecks, options)
    super(mailchimpTransactionalProvider(own.apiKey), rest, () => ({ 'content-type': 'application/json' }))
  }

  /**
   * Sends a mail. The API knows no idempotency key: after a timeout or a 5xx it becomes a dead letter instead of a
   * second mail. A success may still have refused recipients: see `rejected`.
   */
  async send(
    message: MailchimpTransactionalMessage,
    options: MailchimpTransactionalSendOptions = {},
  ): Promise<MailchimpTransactionalSent> {
    const { signal, ...rest } = options
    return sorted(await this.#post('/messages/send', { message, ...rest }, signal))
  }

  /** Sends a stored template. */
  async sendTemplate(
    templateName: string,
    message: MailchimpTransactionalMessage,
    options: MailchimpTransactionalSendOptions & {
      template_content?: { name: string; content: string }[] | undefined
    } = {},
  ): Promise<MailchimpTransactionalSent> {
    const { signal, template_content = [], ...rest } = options
    const body = {
      template_name: stringOption('templateName', templateName),
      template_content,
      message,
      ...rest,
    }
    return sorted(await this.#post('/messages/send-template', body, signal))
  }

  /** Mails that were sent, by a query such as `u_order:42` (a metadata field) or `full_email:ada@example.com`; retried. */
  async search(
    query: string,
    options: {
      date_from?: string | undefined
      date_to?: string | undefined
      limit?: number | undefined
    } & CallInit = {},
  ): Promise<MailchimpTransactionalFound[]> {
    const { signal, ...rest } = options
    return this.#post('/messages/search', { query: stringOption('query', query), ...rest }, signal)
  }

  /**
   * What became of one mail. Retried, although it is a POST: it changes nothing.
   * @param id `_id` of what `send` returned
   * @throws IntegrationError with `providerCode` `Unknown_Message` for a mail that it does not know, or not yet
   */
  async info(id: string, init: CallInit = {}): Promise<MailchimpTransactionalFound> {
    return this.#post('/messages/info', { id: stringOption('id', id) }, init.signal)
  }

  /** Addresses to which no mail goes, all or one. Retried: it changes nothing. */
  async listRejects({
    signal,
    ...query
  }: { email?: string | undefined; include_expired?: boolean | undefined } & CallInit = {}): Promise<
    MailchimpTransactionalReject[]
  > {
    return this.#post('/rejects/list', query, signal)
  }

  /** Lets mail go to the address again. Not repeated after a timeout or a 5xx. @returns whether it was on the list */
  async deleteReject(email: string, init: CallInit = {}): Promise<boolean> {
    const body = { email: stringOption('email', email) }
    return (await this.#post<{ deleted: boolean }>('/rejects/delete', body, init.signal)).deleted
  }

  /** The stored templates, all or those with a label. Retried: it changes nothing. */
  async listTemplates({ signal, ...query }: { label?: string | undefined } & CallInit = {}): Promise<
    MailchimpTransactionalTemplate[]
  > {
    return this.#post('/templates/list', query, signal)
  }

  /** One template. Retried: it changes nothing. */
  async templateInfo(name: string, init: CallInit = {}): Promise<MailchimpTransactionalTemplate> {
    return this.#post('/templates/info', { name: stringOption('name', name) }, init.signal)
  }

  /** The search knows a mail only some time after it was sent. */
  protected override get settleGraceMs(): number {
    return 600_000
  }

  /** A mail with the same metadata. Without metadata nobody can tell two mails apart. */
  protected override async lookUp({ path, body, since }: Sought): Promise<Found> {
    if (!/\/messages\/send(-template)?(\.json)?$/.test(path)) return undefined
    const { metadata } = (body['message'] ?? {}) as { metadata?: Record<string, unknown> }
    const fields = Object.entries(metadata ?? {})
    // a quote or a space would make another query of it
    if (
      fields.length === 0 ||
      !fields.every((field) => field.every((text) => /^[\w.-]+$/.test(String(text))))
    ) {
      return undefined
    }
    const query = fields.map(([name, value]) => `u_${name}:${String(value)}`).join(' AND ')
    const found = await this.search(query, { date_from: new Date(since).toISOString().slice(0, 10) })
    return found.some(({ ts }) => ts * 1_000 >= since) ? 'done' : 'not-done'
  }

  /** Whether the key is good; retried. */
  async ping(init: CallInit = {}): Promise<void> {
    await this.#post('/users/ping2', {}, init.signal)
  }

  #post<T>(path: string, body: object, signal: AbortSignal | undefined): Promise<T> {
    return this.json('POST', path, { body, signal })
  }
}

function sorted(results: readonly MailchimpTransactionalResult[]): MailchimpTransactionalSent {
  const refused = (result: MailchimpTransactionalResult): boolean =>
    result.status === 'rejected' || result.status === 'invalid'
  return { accepted: results.filter((result) => !refused(result)), rejected: results.filter(refused) }
}

/** Makes a client for Mailchimp Transactional (formerly Mandrill). @see MailchimpTransactionalClient */
export function createMailchimpTransactionalClient(
  options: MailchimpTransactionalClientOptions,
): MailchimpTransactionalClient {
  return new MailchimpTransactionalClient(options)
}

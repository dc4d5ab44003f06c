import { stringOption } from '../../options.ts'
import { credentialOption } from '../shared/credential.ts'
import { type CallInit, ProviderClient } from '../shared/provider-client.ts'
import type { ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { mandrillProvider } from './agent.ts'
import type { MandrillMessage, MandrillResult, MandrillSent } from './types.ts'

export interface MailchimpTransactionalClientOptions extends ProviderOptions {
  /** A Mandrill API key. Required. It is added to each body below the stack, where no record sees it. */
  apiKey: string
}

/** Options of a transactional mail beside the message. */
export interface MandrillSendOptions extends CallInit {
  /** Sent in the background; then every recipient is `queued`. */
  async?: boolean
  ip_pool?: string
  /** UTC, `2026-12-24 09:00:00`; costs money on Mandrill. */
  send_at?: string
}

/**
 * Sends transactional mail with the preset's resilience; everything else by `request(path, init)`, whose body must be a
 * JSON object without `key`.
 *
 * @example
 * const mandrill = createMailchimpTransactionalClient({ apiKey: key, store })
 * const { rejected } = await mandrill.send({ from_email, to: [{ email }], subject, text })
 */
export class MailchimpTransactionalClient extends ProviderClient {
  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: MailchimpTransactionalClientOptions) {
    const rest = splitOptions('createMailchimpTransactionalClient', options, ['apiKey'])
    const apiKey = credentialOption('apiKey', options.apiKey)
    super(mandrillProvider(apiKey), rest, () => ({ 'content-type': 'application/json' }))
  }

  /**
   * Sends a mail. Mandrill knows no idempotency key: after a timeout or a 5xx it becomes a dead letter instead of a
   * second mail. A success may still have refused recipients: see `rejected`.
   */
  async send(message: MandrillMessage, options: MandrillSendOptions = {}): Promise<MandrillSent> {
    const { signal, ...rest } = options
    return sorted(await this.#post('/messages/send', { message, ...rest }, signal))
  }

  /** Sends a stored template. */
  async sendTemplate(
    templateName: string,
    message: MandrillMessage,
    options: MandrillSendOptions & { template_content?: { name: string; content: string }[] } = {},
  ): Promise<MandrillSent> {
    const { signal, template_content = [], ...rest } = options
    const body = {
      template_name: stringOption('templateName', templateName),
      template_content,
      message,
      ...rest,
    }
    return sorted(await this.#post('/messages/send-template', body, signal))
  }

  /** Whether the key is good; retried. */
  async ping(init: CallInit = {}): Promise<void> {
    await this.#post('/users/ping2', {}, init.signal)
  }

  #post<T>(path: string, body: object, signal: AbortSignal | undefined): Promise<T> {
    return this.json('POST', path, { body, signal })
  }
}

function sorted(results: readonly MandrillResult[]): MandrillSent {
  const refused = (result: MandrillResult): boolean =>
    result.status === 'rejected' || result.status === 'invalid'
  return { accepted: results.filter((result) => !refused(result)), rejected: results.filter(refused) }
}

/** Makes a client for Mailchimp Transactional (Mandrill). @see MailchimpTransactionalClient */
export function createMailchimpTransactionalClient(
  options: MailchimpTransactionalClientOptions,
): MailchimpTransactionalClient {
  return new MailchimpTransactionalClient(options)
}

import { IntegrationError } from '../../../errors.ts'

/**
 * Why a delivery is refused. `missing`: it has no signature, or no time where the provider sends one. `malformed`: they are
 * not what the provider sends. `mismatch`: signed with another secret, or for another body, url or method. `expired`: signed
 * longer ago than is allowed, or in the future: a replay, or a clock that is wrong.
 */
export type WebhookRefusal = 'missing' | 'malformed' | 'mismatch' | 'expired'

/**
 * A delivery that is not to be trusted: answer it with 401 or 403 and do nothing. It never holds the secret, the body or the
 * signature that would have been right.
 */
export class WebhookSignatureError extends IntegrationError {
  readonly reason: WebhookRefusal

  constructor(integration: string, reason: WebhookRefusal, what: string) {
    super(`${integration}: webhook refused: ${what}`, { code: 'ERR_WEBHOOK_SIGNATURE', integration })
    this.reason = reason
  }
}

import { type Checks, resolveOptions } from '../../checks.ts'
import { headerOf, rawBody, type WebhookDelivery } from '../kit/webhook/delivery.ts'
import { secretsOption, type WebhookSecret } from '../kit/webhook/options.ts'
import { checkSignatures, hmac } from '../kit/webhook/verify.ts'

export interface CalComWebhookOptions {
  /** The secret of the webhook; several while it is rotated. Required: without one Cal.com signs nothing. */
  secret: WebhookSecret
}

const checks: Checks<CalComWebhookOptions, { readonly secret: readonly string[] }> = { secret: secretsOption }

/**
 * Checks that a webhook comes from Cal.com: `X-Cal-Signature-256`. It says nothing of the time, so that a delivery that was
 * seen once can be sent again by whoever saw it: know it by its event, the booking's `uid` and `createdAt`.
 *
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://cal.com/docs/developing/guides/automation/webhooks
 * @example
 * verifyCalComWebhook({ headers: request.headers, body: rawBody }, { secret })
 */
export function verifyCalComWebhook(delivery: WebhookDelivery, options: CalComWebhookOptions): void {
  const { secret } = resolveOptions('verifyCalComWebhook', checks, options)
  const body = rawBody(delivery)
  const signature = headerOf(delivery, 'x-cal-signature-256')
  const right = secret.map((one) => hmac('sha256', one, 'hex', body))
  checkSignatures('cal-com', signature === undefined ? undefined : [signature], right)
}

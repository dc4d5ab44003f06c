import { type Checks, resolveOptions } from '../../checks.ts'
import { headerOf, rawBody, type WebhookDelivery } from '../kit/webhook/delivery.ts'
import {
  secretsOption,
  timeChecks,
  type WebhookSecret,
  type WebhookTime,
  type WebhookTimeOptions,
} from '../kit/webhook/options.ts'
import { checkSignatures, checkTime, fieldsOf, hmac } from '../kit/webhook/verify.ts'

export interface CalendlyWebhookOptions extends WebhookTimeOptions {
  /** The signing key of the subscription or of the OAuth app; several while it is rotated. Required. */
  signingKey: WebhookSecret
}

interface Policy extends WebhookTime {
  readonly signingKey: readonly string[]
}

const checks: Checks<CalendlyWebhookOptions, Policy> = { signingKey: secretsOption, ...timeChecks(180_000) }

/**
 * Checks that a webhook comes from Calendly and is not older than three minutes: `Calendly-Webhook-Signature`.
 *
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://developer.calendly.com/api-docs/overview/webhooks/webhook-signatures
 * @example
 * verifyCalendlyWebhook({ headers: request.headers, body: rawBody }, { signingKey })
 */
export function verifyCalendlyWebhook(delivery: WebhookDelivery, options: CalendlyWebhookOptions): void {
  const { signingKey, ...time } = resolveOptions('verifyCalendlyWebhook', checks, options)
  const body = rawBody(delivery)
  const fields = fieldsOf(headerOf(delivery, 'calendly-webhook-signature'))
  const at = fields.get('t')?.[0]
  const right = signingKey.map((key) => hmac('sha256', key, 'hex', `${at ?? ''}.`, body))
  checkSignatures('calendly', fields.get('v1'), right)
  checkTime('calendly', at, 1_000, time)
}

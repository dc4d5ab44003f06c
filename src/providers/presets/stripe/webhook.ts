import { type Checks, resolveOptions } from '../../../checks.ts'
import { headerOf, rawBody, type WebhookDelivery } from '../../kit/webhook/delivery.ts'
import {
  secretsOption,
  timeChecks,
  type WebhookSecret,
  type WebhookTime,
  type WebhookTimeOptions,
} from '../../kit/webhook/options.ts'
import { checkSignatures, checkTime, fieldsOf, hmac } from '../../kit/webhook/verify.ts'

/** Options of `verifyStripeWebhook`. */
export interface StripeWebhookOptions extends WebhookTimeOptions {
  /** The endpoint's signing secret (`whsec_...`); several while it is rolled. Required. */
  signingSecret: WebhookSecret
}

interface Policy extends WebhookTime {
  readonly signingSecret: readonly string[]
}

const checks: Checks<StripeWebhookOptions, Policy> = { signingSecret: secretsOption, ...timeChecks(300_000) }

/**
 * Checks that a webhook comes from Stripe and is not older than five minutes: `Stripe-Signature`. Stripe signs a delivery anew
 * when it repeats it; know each by the event's `id`.
 *
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://docs.stripe.com/webhooks/signature
 * @example
 * verifyStripeWebhook({ headers: request.headers, body: rawBody }, { signingSecret })
 */
export function verifyStripeWebhook(delivery: WebhookDelivery, options: StripeWebhookOptions): void {
  const { signingSecret, ...time } = resolveOptions('verifyStripeWebhook', checks, options)
  const body = rawBody(delivery)
  const fields = fieldsOf(headerOf(delivery, 'stripe-signature'))
  const at = fields.get('t')?.[0]
  const right = signingSecret.map((secret) => hmac('sha256', secret, 'hex', `${at ?? ''}.`, body))
  checkSignatures('stripe', fields.get('v1'), right)
  checkTime('stripe', at, 1_000, time)
}

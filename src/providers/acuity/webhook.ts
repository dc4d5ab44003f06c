import { type Checks, resolveOptions } from '../../checks.ts'
import { headerOf, rawBody, type WebhookDelivery } from '../kit/webhook/delivery.ts'
import { secretsOption, type WebhookSecret } from '../kit/webhook/options.ts'
import { checkSignatures, hmac } from '../kit/webhook/verify.ts'

export interface AcuityWebhookOptions {
  /** The API key: of the main admin for webhooks of the settings, of the user for those of the API. Required. */
  apiKey: WebhookSecret
}

const checks: Checks<AcuityWebhookOptions, { readonly apiKey: readonly string[] }> = { apiKey: secretsOption }

/**
 * Checks that a webhook comes from Acuity: `X-Acuity-Signature`. It says nothing of the time, so that a delivery that was seen
 * once can be sent again by whoever saw it: know it by its `action` and `id`, and read the appointment.
 *
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://developers.acuityscheduling.com/docs/webhooks
 * @example
 * verifyAcuityWebhook({ headers: request.headers, body: rawBody }, { apiKey })
 */
export function verifyAcuityWebhook(delivery: WebhookDelivery, options: AcuityWebhookOptions): void {
  const { apiKey } = resolveOptions('verifyAcuityWebhook', checks, options)
  const body = rawBody(delivery)
  const signature = headerOf(delivery, 'x-acuity-signature')
  const right = apiKey.map((key) => hmac('sha256', key, 'base64', body))
  checkSignatures('acuity', signature === undefined ? undefined : [signature], right)
}

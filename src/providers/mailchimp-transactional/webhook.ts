import { type Checks, resolveOptions } from '../../checks.ts'
import { type AddressedDelivery, headerOf, rawBody, wholeUrl } from '../kit/webhook/delivery.ts'
import { secretsOption, type WebhookSecret } from '../kit/webhook/options.ts'
import { checkSignatures, hmac } from '../kit/webhook/verify.ts'

export interface MailchimpTransactionalWebhookOptions {
  /** The key of the webhook, not the API key; several while it is reset. Required. */
  webhookKey: WebhookSecret
}

const checks: Checks<MailchimpTransactionalWebhookOptions, { readonly webhookKey: readonly string[] }> = {
  webhookKey: secretsOption,
}

/**
 * Checks that a webhook comes from Mailchimp Transactional: `X-Mandrill-Signature`, of the url as it stands in the webhook's
 * settings and of the form's fields. It says nothing of the time, so that a delivery that was seen once can be sent again by
 * whoever saw it: know each event by its `_id`, `event` and `ts`.
 *
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/
 * @example
 * verifyMailchimpTransactionalWebhook({ url, headers: request.headers, body: rawBody }, { webhookKey })
 */
export function verifyMailchimpTransactionalWebhook(
  delivery: AddressedDelivery,
  options: MailchimpTransactionalWebhookOptions,
): void {
  const { webhookKey } = resolveOptions('verifyMailchimpTransactionalWebhook', checks, options)
  const fields = [...new URLSearchParams(Buffer.from(rawBody(delivery)).toString())]
  fields.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
  const signed = wholeUrl(delivery) + fields.map(([name, value]) => name + value).join('')
  const signature = headerOf(delivery, 'x-mandrill-signature')
  const right = webhookKey.map((key) => hmac('sha1', key, 'base64', signed))
  checkSignatures('mailchimp-transactional', signature === undefined ? undefined : [signature], right)
}

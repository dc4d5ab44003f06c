import { type Checks, resolveOptions } from '../../checks.ts'
import { type AddressedDelivery, headerOf, rawBody, wholeUrl } from '../kit/webhook/delivery.ts'
import {
  secretsOption,
  timeChecks,
  type WebhookSecret,
  type WebhookTime,
  type WebhookTimeOptions,
} from '../kit/webhook/options.ts'
import { checkSignatures, checkTime, hmac } from '../kit/webhook/verify.ts'

export interface HubSpotWebhookOptions extends WebhookTimeOptions {
  /** The app's client secret; several while it is rotated. Required. */
  clientSecret: WebhookSecret
}

interface Policy extends WebhookTime {
  readonly clientSecret: readonly string[]
}

const checks: Checks<HubSpotWebhookOptions, Policy> = { clientSecret: secretsOption, ...timeChecks(300_000) }

/** What HubSpot signs in its plain form, where a url has it encoded. */
const plain: Readonly<Record<string, string>> = {
  '%3A': ':',
  '%2F': '/',
  '%3F': '?',
  '%40': '@',
  '%21': '!',
  '%24': '$',
  '%27': "'",
  '%28': '(',
  '%29': ')',
  '%2A': '*',
  '%2C': ',',
  '%3B': ';',
}

/**
 * Checks that a webhook comes from HubSpot and is not older than five minutes: signature version 3, `X-HubSpot-Signature-v3`.
 *
 * @param delivery `method` (default `POST`), the whole `url` that HubSpot called, `headers`, and the raw `body`
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://developers.hubspot.com/docs/api-reference/latest/webhooks-api/request-validation
 * @example
 * verifyHubSpotWebhook({ url, headers: request.headers, body: rawBody }, { clientSecret })
 */
export function verifyHubSpotWebhook(
  delivery: AddressedDelivery & { method?: string | undefined },
  options: HubSpotWebhookOptions,
): void {
  const { clientSecret, ...time } = resolveOptions('verifyHubSpotWebhook', checks, options)
  const url = wholeUrl(delivery)
  const body = rawBody(delivery)
  const { method = 'POST' } = delivery
  const signature = headerOf(delivery, 'x-hubspot-signature-v3')
  const at = headerOf(delivery, 'x-hubspot-request-timestamp')
  // HubSpot's page wants some characters decoded, its own SDK signs the url as it is
  const urls = new Set([url, url.replace(/%[0-9A-F]{2}/gi, (code) => plain[code.toUpperCase()] ?? code)])
  const right = clientSecret.flatMap((secret) =>
    [...urls].map((one) => hmac('sha256', secret, 'base64', method, one, body, at ?? '')),
  )
  checkSignatures('hubspot', signature === undefined ? undefined : [signature], right)
  checkTime('hubspot', at, 1, time)
}

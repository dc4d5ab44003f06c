import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { type Checks, resolveOptions } from '../../checks.ts'
import { headerOf, rawBody, type WebhookDelivery } from '../kit/webhook/delivery.ts'
import { WebhookSignatureError } from '../kit/webhook/error.ts'
import {
  secretsOption,
  timeChecks,
  type WebhookSecret,
  type WebhookTime,
  type WebhookTimeOptions,
} from '../kit/webhook/options.ts'
import { checkTime } from '../kit/webhook/verify.ts'

export interface SendGridWebhookOptions extends WebhookTimeOptions {
  /** The verification key of the event webhook's settings (base64); several while it is renewed. Required. */
  publicKey: WebhookSecret
}

interface Policy extends WebhookTime {
  readonly publicKey: readonly KeyObject[]
}

const checks: Checks<SendGridWebhookOptions, Policy> = {
  publicKey: (name, value, policy) => secretsOption(name, value, policy).map((key) => publicKeyOf(name, key)),
  ...timeChecks(300_000),
}

function publicKeyOf(name: string, text: string): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
  } catch {
    throw new RangeError(`\`${name}\` must be a public key in base64, as SendGrid's settings show it`)
  }
}

/**
 * Checks that an event webhook comes from SendGrid and is not older than five minutes: the ECDSA signature
 * `X-Twilio-Email-Event-Webhook-Signature`.
 *
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
 * @example
 * verifySendGridWebhook({ headers: request.headers, body: rawBody }, { publicKey })
 */
export function verifySendGridWebhook(delivery: WebhookDelivery, options: SendGridWebhookOptions): void {
  const { publicKey, ...time } = resolveOptions('verifySendGridWebhook', checks, options)
  const body = rawBody(delivery)
  const signature = headerOf(delivery, 'x-twilio-email-event-webhook-signature')
  const at = headerOf(delivery, 'x-twilio-email-event-webhook-timestamp')
  if (signature === undefined) throw new WebhookSignatureError('sendgrid', 'missing', 'it is not signed')
  const signed = Buffer.concat([Buffer.from(at ?? ''), body])
  const given = Buffer.from(signature, 'base64')
  // what is public needs no comparison in constant time
  if (!publicKey.some((key) => verify('sha256', signed, key, given))) {
    throw new WebhookSignatureError('sendgrid', 'mismatch', 'signed with another key, or for another body')
  }
  checkTime('sendgrid', at, 1_000, time)
}

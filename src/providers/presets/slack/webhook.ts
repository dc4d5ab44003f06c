import { type Checks, resolveOptions } from '../../../checks.ts'
import { headerOf, rawBody, type WebhookDelivery } from '../../kit/webhook/delivery.ts'
import {
  secretsOption,
  timeChecks,
  type WebhookSecret,
  type WebhookTime,
  type WebhookTimeOptions,
} from '../../kit/webhook/options.ts'
import { checkSignatures, checkTime, hmac } from '../../kit/webhook/verify.ts'

/** Options of `verifySlackWebhook`. */
export interface SlackWebhookOptions extends WebhookTimeOptions {
  /** The app's signing secret; several while it is regenerated. Required. */
  signingSecret: WebhookSecret
}

interface Policy extends WebhookTime {
  readonly signingSecret: readonly string[]
}

const checks: Checks<SlackWebhookOptions, Policy> = { signingSecret: secretsOption, ...timeChecks(300_000) }

/**
 * Checks that a request (event, command, interaction) comes from Slack and is not older than five minutes:
 * `X-Slack-Signature`. Know each event by its `event_id`.
 *
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://docs.slack.dev/authentication/verifying-requests-from-slack
 * @example
 * verifySlackWebhook({ headers: request.headers, body: rawBody }, { signingSecret })
 */
export function verifySlackWebhook(delivery: WebhookDelivery, options: SlackWebhookOptions): void {
  const { signingSecret, ...time } = resolveOptions('verifySlackWebhook', checks, options)
  const body = rawBody(delivery)
  const signature = headerOf(delivery, 'x-slack-signature')
  const at = headerOf(delivery, 'x-slack-request-timestamp')
  const right = signingSecret.map((secret) => `v0=${hmac('sha256', secret, 'hex', `v0:${at ?? ''}:`, body)}`)
  checkSignatures('slack', signature === undefined ? undefined : [signature], right)
  checkTime('slack', at, 1_000, time)
}

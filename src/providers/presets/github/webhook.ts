import { type Checks, resolveOptions } from '../../../checks.ts'
import { headerOf, rawBody, type WebhookDelivery } from '../../kit/webhook/delivery.ts'
import { secretsOption, type WebhookSecret } from '../../kit/webhook/options.ts'
import { checkSignatures, hmac } from '../../kit/webhook/verify.ts'

/** Options of `verifyGitHubWebhook`. */
export interface GitHubWebhookOptions {
  /** The webhook's secret; several while it is rotated. Required: without one GitHub signs nothing. */
  secret: WebhookSecret
}

const checks: Checks<GitHubWebhookOptions, { readonly secret: readonly string[] }> = { secret: secretsOption }

/**
 * Checks that a webhook comes from GitHub: `X-Hub-Signature-256`. It says nothing of the time, so that a delivery that was seen
 * once can be sent again by whoever saw it: know each by `X-GitHub-Delivery`, which a redelivery has again.
 *
 * @throws WebhookSignatureError for a delivery that is not to be trusted, TypeError or RangeError for bad options
 * @see https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 * @example
 * verifyGitHubWebhook({ headers: request.headers, body: rawBody }, { secret })
 */
export function verifyGitHubWebhook(delivery: WebhookDelivery, options: GitHubWebhookOptions): void {
  const { secret } = resolveOptions('verifyGitHubWebhook', checks, options)
  const body = rawBody(delivery)
  const signature = headerOf(delivery, 'x-hub-signature-256')
  const right = secret.map((one) => `sha256=${hmac('sha256', one, 'hex', body)}`)
  checkSignatures('github', signature === undefined ? undefined : [signature], right)
}

export { createMailchimpAgent } from './mailchimp/agent.ts'
export { createMailchimpClient, MailchimpClient, type MailchimpClientOptions } from './mailchimp/client.ts'
export { memberHash } from './mailchimp/member-hash.ts'
export { preset } from './mailchimp/preset.ts'
export {
  createMailchimpTransactionalAgent,
  type MailchimpTransactionalAgentOptions,
} from './mailchimp-transactional/agent.ts'
export {
  createMailchimpTransactionalClient,
  MailchimpTransactionalClient,
  type MailchimpTransactionalClientOptions,
  type MailchimpTransactionalSendOptions,
} from './mailchimp-transactional/client.ts'
export { transactionalPreset } from './mailchimp-transactional/preset.ts'
export {
  type MailchimpTransactionalWebhookOptions,
  verifyMailchimpTransactionalWebhook,
} from './mailchimp-transactional/webhook.ts'
export type {
  MailchimpBatch,
  MailchimpEvent,
  MailchimpList,
  MailchimpMember,
  MailchimpMemberFields,
  MailchimpMemberQuery,
  MailchimpOperation,
  MailchimpStatus,
} from './mailchimp/types.ts'
export type {
  MailchimpTransactionalFound,
  MailchimpTransactionalMessage,
  MailchimpTransactionalReject,
  MailchimpTransactionalResult,
  MailchimpTransactionalSent,
  MailchimpTransactionalTemplate,
} from './mailchimp-transactional/types.ts'
export type { Token } from './kit/client/credential.ts'
export type { ProviderPreset } from './kit/policy/preset.ts'
export type { CloseOptions, ProviderAgent } from './kit/agent/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './kit/client/provider-client.ts'
export type { ProviderOptions } from './kit/agent/provider.ts'
export type { Found, Sought } from './kit/settle/settle.ts'
export type { AddressedDelivery, WebhookDelivery } from './kit/webhook/delivery.ts'
export { type WebhookRefusal, WebhookSignatureError } from './kit/webhook/error.ts'
export type { WebhookSecret } from './kit/webhook/options.ts'

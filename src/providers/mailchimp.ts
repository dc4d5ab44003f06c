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
  type MandrillSendOptions,
} from './mailchimp-transactional/client.ts'
export { transactionalPreset } from './mailchimp-transactional/preset.ts'
export type { MailchimpMember, MailchimpMemberFields, MailchimpStatus } from './mailchimp/types.ts'
export type { MandrillMessage, MandrillResult, MandrillSent } from './mailchimp-transactional/types.ts'
export type { Token } from './shared/credential.ts'
export type { ProviderPreset } from './shared/preset.ts'
export type { CloseOptions, ProviderAgent } from './shared/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './shared/provider-client.ts'
export type { ProviderOptions } from './shared/provider.ts'

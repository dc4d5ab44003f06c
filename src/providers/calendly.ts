export { createCalendlyAgent } from './calendly/agent.ts'
export { CalendlyClient, type CalendlyClientOptions, createCalendlyClient } from './calendly/client.ts'
export { preset } from './calendly/preset.ts'
export type {
  CalendlyBooking,
  CalendlyEvent,
  CalendlyEventQuery,
  CalendlyInvitee,
  CalendlyInviteeQuery,
  CalendlyPage,
  CalendlyUser,
} from './calendly/types.ts'
export type { Token } from './shared/credential.ts'
export type { ProviderPreset } from './shared/preset.ts'
export type { CloseOptions, ProviderAgent } from './shared/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './shared/provider-client.ts'
export type { ProviderOptions } from './shared/provider.ts'

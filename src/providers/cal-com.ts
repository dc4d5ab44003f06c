export { createCalComAgent } from './cal-com/agent.ts'
export { CalComClient, type CalComClientOptions, createCalComClient } from './cal-com/client.ts'
export { preset } from './cal-com/preset.ts'
export type {
  CalComBooking,
  CalComBookingQuery,
  CalComNewBooking,
  CalComReschedule,
  CalComSlots,
  CalComSlotsQuery,
} from './cal-com/types.ts'
export type { Token } from './shared/credential.ts'
export type { ProviderPreset } from './shared/preset.ts'
export type { CloseOptions, ProviderAgent } from './shared/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './shared/provider-client.ts'
export type { ProviderOptions } from './shared/provider.ts'

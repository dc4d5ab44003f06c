export { createAcuityAgent } from './acuity/agent.ts'
export { AcuityClient, type AcuityClientOptions, createAcuityClient } from './acuity/client.ts'
export { preset } from './acuity/preset.ts'
export type {
  AcuityAppointment,
  AcuityAppointmentQuery,
  AcuityDatesQuery,
  AcuityNewAppointment,
  AcuityTime,
  AcuityTimeCheck,
  AcuityTimesQuery,
} from './acuity/types.ts'
export type { Token } from './shared/credential.ts'
export type { ProviderPreset } from './shared/preset.ts'
export type { CloseOptions, ProviderAgent } from './shared/provider-agent.ts'
export type { CallInit, ProviderClient, ProviderReplayOptions } from './shared/provider-client.ts'
export type { ProviderOptions } from './shared/provider.ts'

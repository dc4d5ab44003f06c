export { type AttemptRecord, type GivenUp } from './call/call-record.ts'
export { type CallOptions } from './call/call-options.ts'
export { type CallRequest } from './call/call-request.ts'
export { type Delivery, type Outcome, type Verdict } from './call/outcome.ts'
export {
  CircuitBreaker,
  type CircuitBreakerConfig,
  type ExecuteContext,
  type ExecuteOptions,
} from './circuit/circuit-breaker.ts'
export {
  circuitBreaker,
  type CircuitBreakerInterceptor,
  type CircuitBreakerInterceptorOptions,
  type CircuitBreakerOptions,
  type Circuits,
  type CircuitSnapshot,
  type CircuitStore,
  type CircuitStoreChange,
} from './circuit/interceptor.ts'
export { type ClassifiedResponse, type Classify, type InspectBodyOptions } from './classification/options.ts'
export {
  type RequestOptions,
  ResilientHttpClient,
  type ResilientHttpClientOptions,
} from './client/resilient-http-client.ts'
export {
  deadLetter,
  type DeadLetterInterceptor,
  type DeadLetterInterceptorOptions,
  type DeadLetterOptions,
  type RedactOptions,
} from './dead-letter/interceptor.ts'
export {
  type ClaimedDeadLetter,
  type DeadLetter,
  type DeadLetterReason,
  type DeadLetterRecord,
  type DeadLetterReplay,
  type DeadLetterStatus,
} from './dead-letter/record.ts'
export {
  replayDeadLetters,
  type ReplayCredentials,
  type ReplayOptions,
  type ReplayProgress,
  type ReplaySummary,
} from './dead-letter/replay.ts'
export { type Replayer, type ReplayerOptions, startReplayer } from './dead-letter/replayer.ts'
export {
  type AddOptions,
  type AddResult,
  type ClaimOptions,
  type ClaimResult,
  type CorruptDeadLetter,
  type DeadLetterFilter,
  type DeadLetterPage,
  type DeadLetterQuery,
  type DeadLetterStats,
  type DeadLetterStore,
  type RetentionOptions,
  type Settlement,
  type SettleResult,
} from './dead-letter/store.ts'
export { DeadLetterFormatError } from './dead-letter/record-json.ts'
export { SealError, type SealKeys } from './dead-letter/sealing.ts'
export {
  CircuitBreakerOpenError,
  IntegrationError,
  type IntegrationErrorCode,
  type IntegrationErrorContext,
  isIntegrationError,
  RateLimitError,
  RequestTimeoutError,
} from './errors.ts'
export { resilience, type ResilienceOptions, type ResilienceStack } from './resilience.ts'
export { type Jitter } from './retry/backoff.ts'
export { retry, type RetryInterceptorOptions } from './retry/interceptor.ts'
export { type RetryOptions } from './retry/options.ts'
export { type AttemptContext, withRetry, type WithRetryOptions } from './retry/with-retry.ts'
export { type ResilienceStore } from './store.ts'
export { memoryStore, type MemoryStoreOptions } from './stores/memory/memory-store.ts'
export {
  type AttemptFailedEvent,
  type CallGivenUpEvent,
  channels,
  type CircuitChangedEvent,
  type CircuitStateName,
  type DeadLetterCapturedEvent,
  type DeadLetterDroppedEvent,
  type DeadLetterDurableEvent,
  type ReplayEvent,
  type RetryScheduledEvent,
  type StoreDegradedEvent,
  type TypedChannel,
} from './telemetry/channels.ts'
export { type Logger } from './telemetry/reporter.ts'
export { timeout, type TimeoutOptions } from './timeout/interceptor.ts'
export { withCallOptions } from './with-call-options.ts'

export { type AttemptRecord, type GivenUp } from './call/call-record.ts'
export { type CallOptions } from './call/call-options.ts'
export { type CallRequest } from './call/call-request.ts'
export { type Delivery } from './http/delivery.ts'
export { type Outcome, type Verdict } from './http/outcome.ts'
export {
  bulkhead,
  type BulkheadInterceptor,
  type BulkheadInterceptorOptions,
  type AdaptiveOptions,
  type BulkheadOptions,
} from './bulkhead/interceptor.ts'
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
export { type CircuitDirectory, type CircuitWatcher, type StoredCircuit } from './circuit/shared/directory.ts'
export { type ClassifiedResponse, type Classify, type InspectBodyOptions } from './classification/options.ts'
export {
  type RequestOptions,
  ResilientHttpClient,
  type ResilientHttpClientOptions,
} from './client/resilient-http-client.ts'
export {
  type CloseOptions,
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
  type DeadLetterRequest,
  type DeadLetterStatus,
} from './dead-letter/record/record.ts'
export { type Forwarder, forwardDeadLetters, startForwarder } from './dead-letter/forward/forward.ts'
export { type ForwarderOptions, type ForwardOptions } from './dead-letter/forward/options.ts'
export { type ForwardSummary } from './dead-letter/forward/run.ts'
export { type DeadLetterMessage, decodeDeadLetter, encodeDeadLetter } from './dead-letter/message/message.ts'
export { createOutbox, type Outbox } from './dead-letter/outbox/outbox.ts'
export {
  type OutboxAddOptions,
  type OutboxOptions,
  type OutboxRequest,
} from './dead-letter/outbox/options.ts'
export { type ReplayDecision } from './dead-letter/replay/entry/prepare.ts'
export {
  type AgainReason,
  type DoneReason,
  type HoldReason,
  type NeverReason,
} from './dead-letter/replay/entry/reasons.ts'
export { type ReplayCredentials } from './dead-letter/replay/entry/request.ts'
export { type ReplayOneOptions, type ReplayResult } from './dead-letter/replay/one.ts'
export { type ReplayOptions, type ReplayProgress } from './dead-letter/replay/options.ts'
export { type LeftAlone, type LeftAloneReason } from './dead-letter/replay/origins.ts'
export { type Replayer, type ReplayerOptions } from './dead-letter/replay/replayer.ts'
export { type SetAside } from './dead-letter/replay/set-aside.ts'
export { type ReplaySummary } from './dead-letter/replay/summary.ts'
export { type AddOptions, type DeadLetterSink } from './dead-letter/store/sink.ts'
export { type AddResult } from './dead-letter/store/add-result.ts'
export { type ClaimOptions } from './dead-letter/store/claim-options.ts'
export {
  type ClaimResult,
  type CorruptDeadLetter,
  type DeadLetterPage,
  type DeadLetterStore,
} from './dead-letter/store/store.ts'
export { type DeadLetterFilter } from './dead-letter/store/query/filter.ts'
export { type DeadLetterQuery } from './dead-letter/store/query/query.ts'
export { type DeadLetterStats } from './dead-letter/store/stats.ts'
export { type RetentionOptions } from './dead-letter/store/retention.ts'
export { type Settlement, type SettleResult } from './dead-letter/store/settlement.ts'
export { DeadLetterFormatError } from './dead-letter/record/json.ts'
export { SealError, type SealKeys } from './dead-letter/record/sealing.ts'
export {
  BulkheadFullError,
  CircuitBreakerOpenError,
  IntegrationError,
  type IntegrationErrorCode,
  type IntegrationErrorContext,
  isIntegrationError,
  RateLimitError,
  RequestTimeoutError,
  ShutdownError,
} from './errors.ts'
export {
  type Cost,
  type LimitOptions,
  type Limits,
  type LimitSnapshot,
  type LimitState,
  type LimitStore,
  rateLimit,
  type RateLimitInterceptor,
  type RateLimitInterceptorOptions,
  type RateLimitOptions,
  type Remaining,
} from './rate-limit/interceptor.ts'
export { resilience, type ResilienceOptions, type ResilienceStack } from './resilience.ts'
export { type LayerDescription, type LayerName, type StackDescription } from './stack/description.ts'
export { replayDeadLetter, replayDeadLetters, startReplayer, type ReplayClassifyOptions } from './replay.ts'
export { type Jitter } from './retry/backoff.ts'
export { type RetryBudgetState, type RetryBudgetView } from './retry/budget/budgets.ts'
export { type RetryBudgetOptions } from './retry/budget/options.ts'
export { retry, type RetryInterceptor, type RetryInterceptorOptions } from './retry/interceptor.ts'
export { type RetryOptions } from './retry/options.ts'
export { type AttemptContext, withRetry, type WithRetryOptions } from './retry/with-retry.ts'
export { type ResilienceStore } from './store.ts'
export { memoryStore, type MemoryStoreOptions } from './stores/memory/memory-store.ts'
export {
  type AttemptDoneEvent,
  type AttemptFailedEvent,
  type AttemptStartEvent,
  type BulkheadRefusedEvent,
  type BulkheadWaitingEvent,
  type CallDoneEvent,
  type CallGivenUpEvent,
  type CallStartEvent,
  channels,
  type CircuitChangedEvent,
  type CircuitStateName,
  type CooldownStartedEvent,
  type DeadLetterCapturedEvent,
  type DeadLetterDroppedEvent,
  type DeadLetterDurableEvent,
  type LimitRefusedEvent,
  type LimitWaitingEvent,
  type ReplayEvent,
  type RetryScheduledEvent,
  type StoreDegradedEvent,
  type TypedChannel,
} from './telemetry/channels.ts'
export { type Logger } from './telemetry/reporter.ts'
export { timeout, type TimeoutOptions } from './timeout/interceptor.ts'
export { type CallRetryOptions, withCallOptions } from './with-call-options.ts'

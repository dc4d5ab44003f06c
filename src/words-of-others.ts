/** What other packages, and we once, call an option: ours, of which the first that is known there is meant. */
const anywhere: Readonly<Record<string, readonly string[]>> = {
  name: ['integration'],
  retries: ['retry', 'maxAttempts'],
  maxRetries: ['maxAttempts'],
  attempts: ['maxAttempts'],
  timeout: ['attemptTimeoutMs', 'timeoutMs', 'ms', 'maxWaitMs'],
  timeoutMs: ['attemptTimeoutMs', 'ms', 'maxWaitMs'],
  requestTimeout: ['attemptTimeoutMs'],
  delay: ['initialBackoffMs'],
  delayMs: ['initialBackoffMs'],
  retryDelay: ['initialBackoffMs'],
  initialDelay: ['initialBackoffMs'],
  initialDelayMs: ['initialBackoffMs'],
  baseDelay: ['initialBackoffMs'],
  baseDelayMs: ['initialBackoffMs'],
  minDelay: ['initialBackoffMs'],
  maxDelay: ['maxBackoffMs'],
  maxDelayMs: ['maxBackoffMs'],
  minTimeout: ['initialBackoffMs'],
  maxTimeout: ['maxTimeoutMs', 'maxBackoffMs'],
  factor: ['backoffMultiplier'],
  retryOn: ['statusCodes'],
  retryBudget: ['budget'],
  shouldRetry: ['isRetryableError'],
  retryCondition: ['isRetryableError'],
  breaker: ['circuitBreaker'],
  circuit: ['circuitBreaker'],
  resetTimeout: ['timeoutMs'],
  halfOpenAfter: ['timeoutMs'],
  openMs: ['timeoutMs'],
  openDuration: ['timeoutMs'],
  openDurationMs: ['timeoutMs'],
  durationOfBreak: ['timeoutMs'],
  waitDurationInOpenState: ['timeoutMs'],
  errorThresholdPercentage: ['failureRate'],
  volumeThreshold: ['minimumRequests'],
  limiter: ['rateLimit'],
  rateLimiter: ['rateLimit'],
  throttle: ['rateLimit'],
  limit: ['limits'],
  interval: ['intervalMs', 'limits'],
  intervalMs: ['limits'],
  tokensPerInterval: ['limits'],
  reservoir: ['limits'],
  reservoirRefreshAmount: ['limits'],
  reservoirRefreshInterval: ['limits'],
  intervalCap: ['limits'],
  limitForPeriod: ['limits'],
  limitRefreshPeriod: ['limits'],
  concurrency: ['limit', 'bulkhead'],
  maxConcurrent: ['concurrency', 'limit', 'bulkhead'],
  dlq: ['deadLetter'],
  headers: ['credentials'],
  auth: ['credentials'],
  apiKey: ['accessToken', 'secretKey'],
  log: ['logger'],
}

const units = ['limits', 'limit']
const interval = ['limits', 'intervalMs', 'windowMs']

/** Words of many meanings: what is meant is the first that is known where they stand. */
const inPlace: Readonly<Record<string, readonly string[]>> = {
  limit: ['maxAttempts'],
  max: units,
  maxRequests: units,
  requests: units,
  points: units,
  tokens: units,
  capacity: units,
  burst: units,
  bucketSize: units,
  refillRate: ['limits'],
  rate: ['limits', 'ratePerSecond'],
  minTime: ['limits'],
  duration: interval,
  period: interval,
  window: interval,
  windowMs: interval,
  timeWindow: interval,
  perMilliseconds: interval,
  ttl: ['limits', 'intervalMs'],
  timeoutDuration: ['maxWaitMs'],
  queueSize: ['maxQueue'],
  queueLimit: ['maxQueue'],
  highWater: ['maxQueue'],
  cooldown: ['timeoutMs'],
  failures: ['failureThreshold'],
  maxFailures: ['failureThreshold'],
}

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000

/** Words for a limit with its interval, in milliseconds. */
const limits: Readonly<Record<string, number>> = {
  perSecond: SECOND,
  perMinute: MINUTE,
  perHour: HOUR,
  requestsPerSecond: SECOND,
  requestsPerMinute: MINUTE,
  requestsPerHour: HOUR,
  maxRequestsPerSecond: SECOND,
  maxRequestsPerMinute: MINUTE,
  callsPerSecond: SECOND,
  callsPerMinute: MINUTE,
  tokensPerSecond: SECOND,
  tokensPerMinute: MINUTE,
  rps: SECOND,
  maxRPS: SECOND,
  qps: SECOND,
  rpm: MINUTE,
}

/** The options of ours that a word of other packages stands for, wherever it is given. */
export function wordsAnywhere(word: string): readonly string[] {
  if (Object.hasOwn(limits, word)) return limits[word] === SECOND ? ['limits', 'ratePerSecond'] : ['limits']
  return Object.hasOwn(anywhere, word) ? anywhere[word]! : []
}

/** The options that a word may stand for where they are known. */
export function wordsInPlace(word: string): readonly string[] {
  return Object.hasOwn(inPlace, word) ? inPlace[word]! : []
}

/** The limit that a word such as `perSecond` with its value is here, as it is written; `undefined` for other words. */
export function limitInWords(word: string, value: unknown): string | undefined {
  if (!Object.hasOwn(limits, word)) return undefined
  const limit = Number.isSafeInteger(value) && Number(value) >= 1 ? `limit: ${Number(value)}` : 'limit'
  return `{ ${limit}, intervalMs: ${limits[word]} }`
}

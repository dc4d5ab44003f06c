/** The names that options have at each level: of a leaf `undefined`, of an object of options what is in it. */
export interface OptionNames {
  readonly [name: string]: OptionNames | undefined
}

/** Where options were given: to which function, and at which path below its own. */
interface OptionPlace {
  readonly factory: string
  readonly path: readonly string[]
  /** Every name that the function knows, at every level. */
  readonly all: OptionNames
}

/** What other packages, and we once, call an option: ours, of which the first that is known there is meant. */
const otherWords: Readonly<Record<string, readonly string[]>> = {
  name: ['integration'],
  retries: ['retry', 'maxAttempts'],
  maxRetries: ['maxAttempts'],
  attempts: ['maxAttempts'],
  timeout: ['attemptTimeoutMs', 'timeoutMs', 'ms'],
  timeoutMs: ['attemptTimeoutMs', 'ms'],
  requestTimeout: ['attemptTimeoutMs'],
  delay: ['initialBackoffMs'],
  retryDelay: ['initialBackoffMs'],
  minTimeout: ['initialBackoffMs'],
  maxTimeout: ['maxTimeoutMs', 'maxBackoffMs'],
  factor: ['backoffMultiplier'],
  shouldRetry: ['isRetryableError'],
  retryCondition: ['isRetryableError'],
  breaker: ['circuitBreaker'],
  circuit: ['circuitBreaker'],
  resetTimeout: ['timeoutMs'],
  halfOpenAfter: ['timeoutMs'],
  errorThresholdPercentage: ['failureRate'],
  volumeThreshold: ['minimumRequests'],
  limiter: ['rateLimit'],
  rateLimiter: ['rateLimit'],
  throttle: ['rateLimit'],
  limit: ['limits'],
  interval: ['intervalMs', 'limits'],
  intervalMs: ['limits'],
  concurrency: ['limit', 'bulkhead'],
  maxConcurrent: ['limit', 'bulkhead'],
  dlq: ['deadLetter'],
  log: ['logger'],
}

/** What is to be known of an option that was called by another word. */
const remarks: Readonly<Record<string, string>> = {
  maxAttempts: ', the first included',
  limits: ', a list of { limit, intervalMs }',
  failureRate: ', from 0 to 1',
}

/**
 * What to say to an option that does not exist: the place where it belongs, or the nearest name, or all names. A typo
 * would be a silent default.
 */
export function unknownOption({ factory, path, all }: OptionPlace, name: string): TypeError {
  const known = path.reduce<OptionNames>((names, part) => names[part] ?? {}, all)
  const ours = Object.hasOwn(otherWords, name) ? otherWords[name]! : []
  const here = ours.find((one) => Object.hasOwn(known, one))
  if (here !== undefined) return notKnown(factory, path, name, here, remarks[here])
  const above = [name, ...ours].find((one) => Object.hasOwn(all, one))
  if (above !== undefined) {
    return new TypeError(
      `${quoted([...path, name])} is not an option here: give \`${above}\` to ${factory}()`,
    )
  }
  const elsewhere = notHere(name, all, [...path, name])
  if (elsewhere !== undefined) return elsewhere
  const near = nearestName(name, Object.keys(known))
  if (near !== undefined) return notKnown(factory, path, name, near)
  for (const one of ours) {
    const there = notHere(one, all, [...path, name], remarks[one])
    if (there !== undefined) return there
  }
  return new TypeError(
    `${subject(factory, path)} has no option \`${name}\`; it knows ${Object.keys(known).join(', ')}`,
  )
}

function notKnown(
  factory: string,
  path: readonly string[],
  name: string,
  near: string,
  remark = '',
): TypeError {
  return new TypeError(
    `${subject(factory, path)} has no option \`${name}\`; did you mean ${quoted([...path, near])}${remark}?`,
  )
}

/** What to say to `given` where options of the name `meant` stand elsewhere. */
function notHere(
  meant: string,
  all: OptionNames,
  given: readonly string[],
  remark = '',
): TypeError | undefined {
  const places = placesOf(meant, all, []).map(quoted)
  if (places.length === 0) return undefined
  return new TypeError(
    `${quoted(given)} is not an option here: did you mean ${places.join(' or ')}${remark}?`,
  )
}

function subject(factory: string, path: readonly string[]): string {
  return quoted(path.length === 0 ? [factory] : path)
}

function quoted(path: readonly string[]): string {
  return `\`${path.join('.')}\``
}

function placesOf(name: string, names: OptionNames, path: readonly string[]): (readonly string[])[] {
  return Object.entries(names).flatMap(([one, inner]) => {
    if (one === name) return [[...path, one]]
    return inner === undefined ? [] : placesOf(name, inner, [...path, one])
  })
}

/** The name that was surely meant: the same but for case, or with few letters changed, or one that goes on from it. */
function nearestName(given: string, known: readonly string[]): string | undefined {
  const text = plain(given)
  let nearest: string | undefined
  let least = Math.ceil(text.length * 0.4) + 1
  for (const name of known) {
    const other = plain(name)
    const begins = text.length > 3 && (other.startsWith(text) || text.startsWith(other))
    const distance = begins ? 1 : editDistance(text, other)
    if (distance < least) {
      least = distance
      nearest = name
    }
  }
  return nearest
}

function plain(name: string): string {
  return name.replace(/[-_ ]/g, '').toLowerCase()
}

/** Letters to insert, remove or replace (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

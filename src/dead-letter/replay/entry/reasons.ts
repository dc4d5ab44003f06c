/** Why an entry is done: nothing is left to do. */
export type DoneReason =
  /** The server took it. */
  | 'taken'
  /** What a DELETE was to remove is not there. */
  | 'already-gone'
  /** `decide` said so: it is dropped. */
  | 'discarded'

/** Why an entry comes back. Only `failed` and `lapsed` use up a replay. */
export type AgainReason =
  /** The origin is down: no connection, no answer, 5xx. */
  | 'outage'
  /** A circuit or bulkhead of the dispatcher did not let it through. */
  | 'circuit-open'
  /** The provider wants to be asked later: 429, `Retry-After`, a quota; or the dispatcher's limit is used up. */
  | 'rate-limited'
  /** 401 or 403: the credentials, or the rights behind them, are not what they should be. */
  | 'credentials'
  /** 409 or 425: the provider still works on an earlier attempt with the same key. */
  | 'in-progress'
  /** The server answered that it failed, or nothing, though it answers others. */
  | 'failed'
  /** Something is missing for it: a header, a query value, a key of the seal, a `decide` or `credentials` that threw. */
  | 'missing'
  /** The provider asked for a time that has not come yet. */
  | 'not-due'
  /** Whoever had it before was lost, maybe while sending it: the provider gets the time to end that. */
  | 'lapsed'
  /** The dispatcher did not take it: closed, or the request is none that it can send. */
  | 'not-sent'

/** Why an entry waits for a person. */
export type HoldReason =
  /** It may have arrived, and must not arrive twice. */
  | 'may-have-arrived'
  /** `decide` said so. */
  | 'decided'

/** Why an entry is never sent again as it is. */
export type NeverReason =
  /** The server refused it for good, or would have it sent elsewhere. */
  | 'refused'
  /** Its replays are used up. */
  | 'replays-used-up'
  /** It is not of an allowed origin, or not what was captured. */
  | 'forged'
  /** It cannot be read. */
  | 'damaged'
  /** Its body is not there whole. */
  | 'not-replayable'

/** What a process tells of a limit, and asks for, in one exchange. */
export interface LimitRequest {
  /** This process. */
  readonly by: string
  /** As `idOf` names the key. */
  readonly id: string
  /** Which limit of the key: the same in all processes. */
  readonly name: string
  readonly limit: number
  readonly windowMs: number
  /** Rises with each exchange of this process: what was overtaken changes nothing. */
  readonly sequence: number
  /** Units used since this process began, and how many of them a reply has acknowledged. */
  readonly used: number
  readonly usedKnown: number
  /** Units that were reported and not used after all, counted in the same way. */
  readonly returned: number
  readonly returnedKnown: number
  /** Permits that it still holds. */
  readonly held: number
  /** Units that live calls wait for, and background calls. */
  readonly live: number
  readonly background: number
  /** What the first of each needs beyond what is held: less would be of no use. */
  readonly liveLeast: number
  readonly backgroundLeast: number
  /** Permits that it wants to hold ahead of use. */
  readonly spare: number
  /** How long its permits are valid, in milliseconds. */
  readonly leaseMs: number
  /** Units that background calls leave. */
  readonly reserved: number
  /** The generation that it knows; empty at first. */
  readonly generation: string
  /** What it used within the window, as `[age in milliseconds, units]`: told when the server has lost what it knew. */
  readonly history: readonly (readonly [ageMs: number, units: number])[] | undefined
  /** What the provider counts in its own window, where an answer has said more than was known. */
  readonly providerUsed: number | undefined
}

/** What the server says. */
export interface LimitReply {
  /**
   * `created`: a limit that nobody has used. `same`. `lost`: the server has nothing of the generation that was named.
   * `restate`: it is of another generation, so tell your history. `stale`: overtaken by a later exchange of this process.
   */
  readonly status: 'created' | 'same' | 'lost' | 'restate' | 'stale'
  readonly generation: string
  /** Permits: those that stay valid of what was held, and new ones. */
  readonly kept: number
  readonly live: number
  readonly background: number
  readonly spare: number
  /** Units used by all in the window, and those that nobody has used or holds. */
  readonly used: number
  readonly free: number
  readonly processes: number
  /** More is waited for than there is: nobody is to hold permits ahead of use. */
  readonly scarce: boolean
  /** When it is worth asking again, in milliseconds; `undefined` when nothing is left to wait for. */
  readonly retryInMs: number | undefined
  /** For how long nothing is granted, in milliseconds: until all have told what they used. */
  readonly holdMs: number
  /** Units used by all in each tenth of the window, the latest first. */
  readonly profile: readonly number[]
}

/** A cool-down as the server knows it. */
export interface StoredCooldown {
  readonly id: string
  /** What is left of it, in milliseconds; 0 where it was ended before its time. */
  readonly ms: number
  /** How long ago it was ended before its time, in milliseconds; absent while it lasts, and where that is not kept. */
  readonly endedAgoMs?: number
}

/** What is pushed to all processes. */
export type LimitMessage =
  /** The server had lost this limit: all tell their history. */
  | { readonly kind: 'new'; readonly id: string; readonly name: string }
  /** More is waited for than there is: permits ahead of use go back. */
  | { readonly kind: 'scarce'; readonly id: string; readonly name: string }
  | { readonly kind: 'cool'; readonly id: string; readonly ms: number }
  | { readonly kind: 'clear'; readonly id: string }

/**
 * Port: limits and cool-downs that processes share. Each operation is one atomic step on the server, by the server's
 * clock; one that fails may have happened or not; all settle within a bounded time. It guarantees
 * - that at every grant the units that are held by all, and those that were reported within the window, are at most the
 *   limit. A unit counts from its report on, never from before its use, so no window of the client's holds more;
 * - that a lease that lapses counts as used at that time;
 * - that an exchange costs the same however many processes there are;
 * - that the longest cool-down wins, and that each is pushed to all.
 */
export interface LimitBackend {
  /** What a key is called on the server. An id is its own id. */
  idOf(key: string): string
  /** One reply or error per request, in order. Never rejects. */
  exchange(requests: readonly LimitRequest[]): Promise<(LimitReply | Error)[]>
  /** @returns what is left of the cool-down: a longer one stays */
  cool(id: string, ms: number): Promise<number>
  clear(id: string): Promise<void>
  /** All cool-downs that are not over, and those that were ended of late where that is kept: for who missed a push. */
  cooling(): Promise<StoredCooldown[]>
}

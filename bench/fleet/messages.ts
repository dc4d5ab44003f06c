/** What the bench hands to a process that plays clients. */
export interface ClientsPlan {
  readonly url: string
  readonly clients: number
  /** One is deployed every so many milliseconds. */
  readonly everyMs: number
  readonly commandTimeoutMs: number
  /** Units per 10 s of a limit that all share; 0: there is none. Each client uses half of an even share. */
  readonly limit: number
  /** Clients of all processes. */
  readonly of?: number
}

/** What the bench tells a process that plays clients. */
export type Order =
  /** Calls of this provider fail from now on; -1: of none. */
  | { readonly failing: number }
  /** Say when the first circuit lets calls pass again in all clients. */
  | { readonly tell: 'passing' }
  /** Say how busy this process was since the last time. */
  | { readonly tell: 'busy' }
  /** Say how many clients go on without the store for a circuit or a limit. */
  | { readonly tell: 'alone' }
  | { readonly end: true }

/** What such a process tells. */
export type Told =
  | { readonly is: 'deployed' | 'passing' }
  /** Milliseconds from the transition, by the server's clock, until each client had heard of it. */
  | { readonly is: 'open'; readonly after: readonly number[] }
  /** The share of its time that its event loop was at work. */
  | { readonly is: 'busy'; readonly share: number }
  | { readonly is: 'alone'; readonly clients: number }

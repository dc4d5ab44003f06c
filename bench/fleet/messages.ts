/** What the bench tells a process that plays clients. */
export type Order =
  /** Calls of this provider fail from now on; -1: of none. */
  | { readonly failing: number }
  /** Say when the first circuit lets calls pass again in all clients. */
  | { readonly tell: 'passing' }
  /** Say how busy this process was since the last time. */
  | { readonly tell: 'busy' }
  | { readonly end: true }

/** What such a process tells. */
export type Told =
  | { readonly is: 'deployed' | 'passing' }
  /** Milliseconds from the transition, by the server's clock, until each client had heard of it. */
  | { readonly is: 'open'; readonly after: readonly number[] }
  /** The share of its time that its event loop was at work. */
  | { readonly is: 'busy'; readonly share: number }

import type { DeadLetterReplay } from '../record/record.ts'

/** How a claimed entry came out. */
export type Settlement =
  /** The server took it: the entry is removed and its id remembered. */
  | { outcome: 'done'; replay: DeadLetterReplay }
  /** Sent and failed: again after `delayMs`, or quarantined when `maxReplays` are used up. */
  | { outcome: 'failed'; replay: DeadLetterReplay; delayMs: number; maxReplays: number }
  /** The server surely did not act (open circuit, no connection, 429, cancelled): again after `delayMs`; no replay is used up. */
  | { outcome: 'later'; delayMs: number; replay?: DeadLetterReplay | undefined }
  /** It may have been sent and must not be sent twice. */
  | { outcome: 'in-doubt'; replay: DeadLetterReplay; note: string }
  /** It cannot be sent: forged, unreadable, refused for good. */
  | { outcome: 'quarantined'; replay: DeadLetterReplay; note: string }

/** `stale`: another claim came after this one, and nothing was changed. `gone`: discarded meanwhile. */
export type SettleResult = 'done' | 'again' | 'quarantined' | 'in-doubt' | 'stale' | 'gone'

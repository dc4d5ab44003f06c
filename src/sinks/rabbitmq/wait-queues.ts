/** The waits that there are queues for, in milliseconds: a longer one goes through several, one after the other. */
const STEPS_MS = [1_000, 5_000, 30_000, 120_000, 600_000, 3_600_000] as const

/** On a message that waits: how much of its wait is left when it has been through its queue, in milliseconds. */
export const WAIT_LEFT = 'x-wait-left-ms'

interface WaitQueue {
  readonly name: string
  readonly options: object
}

/** A queue that hands its messages back to `queue` when they have waited for so long. */
function waitQueue(queue: string, ms: number): WaitQueue {
  return {
    name: `${queue}.wait.${ms / 1000}s`,
    options: {
      durable: true,
      arguments: {
        // at-least-once is of quorum queues: others lose what `queue` does not take back
        'x-queue-type': 'quorum',
        'x-message-ttl': ms,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': queue,
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      },
    },
  }
}

/** All of them, to be declared. */
export function waitQueues(queue: string): WaitQueue[] {
  return STEPS_MS.map((ms) => waitQueue(queue, ms))
}

/** The next queue of a wait, and what is then left of it: never less in all than `ms`, and at most a second more. */
export function nextWait(queue: string, ms: number): { readonly name: string; readonly leftMs: number } {
  const step = STEPS_MS.findLast((one) => one <= ms) ?? STEPS_MS[0]
  return { name: waitQueue(queue, step).name, leftMs: Math.max(0, ms - step) }
}

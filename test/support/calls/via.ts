import type { Dispatcher } from 'undici'

/** The init of built-in fetch with a dispatcher of npm undici, whose type Node's own does not know. */
export function via(dispatcher: Dispatcher, init: Record<string, unknown> = {}): RequestInit {
  return { ...init, dispatcher } as unknown as RequestInit
}

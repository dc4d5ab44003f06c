import type { Dispatcher } from 'undici'
import { timeout } from '../../../src/timeout/interceptor.ts'

/** Where interceptors may stand: the first of them opens the call, or another one of ours above has opened it. */
export const placements: [string, Dispatcher.DispatcherComposeInterceptor[]][] = [
  ['outermost', []],
  ['under another interceptor of ours', [timeout({ ms: 600_000 })]],
]

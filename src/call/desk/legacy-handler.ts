import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'

type Controller = Dispatcher.DispatchController | null | undefined

/** The handler API of undici 6, which the built-in fetch of Node 22 and 24 still speaks. */
interface LegacyHandler {
  onConnect?(abort: (reason?: Error) => void, context?: unknown): void
  onUpgrade?(statusCode: number, headers: Buffer[], socket: Duplex): void
  onHeaders?(statusCode: number, headers: Buffer[], resume: () => void, statusText?: string): boolean
  onData?(chunk: Buffer): boolean
  onComplete?(trailers: Buffer[]): void
  onError?(error: Error): void
  onResponseStarted?(): void
  onBodySent?(chunk: Buffer): void
  onRequestSent?(): void
}

/**
 * Whether a handler knows only the old API. undici 7 wraps handlers in one that has both: ask for the new method, not
 * for the absence of the old.
 */
export function isLegacyHandler(handler: object): boolean {
  return (
    typeof (handler as Dispatcher.DispatchHandler).onRequestStart !== 'function' &&
    typeof (handler as LegacyHandler).onConnect === 'function'
  )
}

/** Lets a handler of the old API be driven by the new one. */
export class LegacyHandlerAdapter implements Dispatcher.DispatchHandler {
  readonly #legacy: LegacyHandler

  constructor(legacy: LegacyHandler) {
    this.#legacy = legacy
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#legacy.onConnect?.((reason) => controller.abort(reason as Error), context)
  }

  onRequestUpgrade(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#legacy.onUpgrade?.(statusCode, rawList(controller?.rawHeaders, headers), socket)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    const raw = rawList(controller.rawHeaders, headers)
    if (this.#legacy.onHeaders?.(statusCode, raw, () => controller.resume(), statusMessage) === false) {
      controller.pause()
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#legacy.onData?.(chunk) === false) controller.pause()
  }

  onResponseEnd(controller: Controller, trailers: IncomingHttpHeaders): void {
    this.#legacy.onComplete?.(rawList(controller?.rawTrailers, trailers))
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.#legacy.onError?.(error)
  }

  onResponseStarted(): void {
    this.#legacy.onResponseStarted?.()
  }

  onBodySent(chunk: Buffer): void {
    this.#legacy.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#legacy.onRequestSent?.()
  }
}

/** Raw headers as the old API has them: a flat list of buffers. HTTP/2 and mocks give an object instead. */
function rawList(raw: Dispatcher.DispatchController['rawHeaders'], parsed: IncomingHttpHeaders): Buffer[] {
  if (Array.isArray(raw)) return raw as Buffer[]
  const list: Buffer[] = []
  for (const [name, value] of Object.entries(raw ?? parsed ?? {})) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) list.push(Buffer.from(name), Buffer.from(String(item), 'latin1'))
    }
  }
  return list
}

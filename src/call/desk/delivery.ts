import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { FrontDesk } from './front-desk.ts'

type Controller = Dispatcher.DispatchController | null | undefined

/** The rest of the way to the caller, for what captures. */
export class Delivery implements Dispatcher.DispatchHandler {
  readonly #desk: FrontDesk

  constructor(desk: FrontDesk) {
    this.#desk = desk
  }

  onResponseStart(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    this.#desk.deliverStart(controller, statusCode, headers, statusMessage)
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    this.#desk.deliverData(chunk)
  }

  onResponseEnd(controller: Controller, trailers: IncomingHttpHeaders): void {
    this.#desk.deliverEnd(controller, trailers)
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.#desk.deliverError(error)
  }
}

import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, request } from 'undici'

interface RestartOptions {
  /** Calls that were answered before, one after the other in pairs. */
  readonly before: number
  /** Calls under way when every connection breaks. */
  readonly inFlight: number
  /** How long nobody listens on the port. */
  readonly downMs: number
}

interface RestartReport {
  /** How long after the break each call that was served had its answer, in milliseconds, sorted. */
  readonly servedMs: number[]
  readonly errors: unknown[]
  /** Requests that the successor received. */
  readonly received: number
}

/**
 * A quiet service, and a server that restarts: all connections break in one moment, with calls under way, and the
 * successor listens on the same port.
 */
export async function restart(
  dispatcher: Dispatcher,
  { before, inFlight, downMs }: RestartOptions,
): Promise<RestartReport> {
  let answers = true
  let waiting = 0
  let received = 0
  const full = Promise.withResolvers<void>()
  const server = http.createServer((_incoming, response) => {
    received += 1
    if (answers) response.end('ok')
    else if (++waiting === inFlight) full.resolve()
  })
  const listen = (port: number): Promise<void> =>
    new Promise((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen(0)
  const { port } = server.address() as AddressInfo
  const get = async (): Promise<void> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, { dispatcher })
    await body.text()
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
  }
  for (let made = 0; made < before; made += 2) await Promise.all([get(), get()])

  answers = false
  const servedMs: number[] = []
  const errors: unknown[] = []
  let brokeAt = 0
  const calls = Array.from({ length: inFlight }, () =>
    get().then(
      () => servedMs.push(performance.now() - brokeAt),
      (error: unknown) => errors.push(error),
    ),
  )
  await full.promise
  answers = true
  received = 0
  brokeAt = performance.now()
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
  if (downMs > 0) await sleep(downMs)
  await listen(port)
  await Promise.all(calls)
  server.close()
  server.closeAllConnections()
  return { servedMs: servedMs.sort((a, b) => a - b), errors, received }
}

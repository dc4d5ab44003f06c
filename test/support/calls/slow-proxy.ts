import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A TCP proxy before a server, whose answers can be made to come late. */
export interface SlowProxy {
  readonly port: number
  /** How late each answer comes from now on, in milliseconds. */
  delayMs: number
  /** The port that new connections go to: another one after a failover. */
  target: number
  /** Destroys all connections, with what is on its way on them. */
  cut(): void
  close(): Promise<void>
}

export async function startSlowProxy(target: number, delayMs = 0): Promise<SlowProxy> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(proxy.target, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    // in their order, also where the delay becomes shorter: an answer does not overtake the one before it
    const waiting: Buffer[] = []
    let lastAt = 0
    const next = (): void => {
      const chunk = waiting.shift()!
      if (client.writable) client.write(chunk)
    }
    upstream.on('data', (chunk) => {
      const now = performance.now()
      lastAt = Math.max(lastAt, now + proxy.delayMs)
      waiting.push(chunk)
      if (waiting.length === 1 && lastAt <= now) next()
      else setTimeout(next, lastAt - now).unref()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const proxy: SlowProxy = {
    port: (server.address() as AddressInfo).port,
    delayMs,
    target,
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      proxy.cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}

import { createServer } from 'node:net'

/**
 * Below those that systems hand out for outgoing connections (32,768 on Linux, 49,152 elsewhere): a client that calls a
 * server which is down for a moment would else take the server's port now and then, or connect to itself.
 */
const FIRST = 15_000
const END = 32_000

/** A port on which nobody listens now; another process may take it before it is used, which is rare. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = FIRST + Math.floor(Math.random() * (END - FIRST))
    if (await isFree(port)) return port
  }
  throw new Error(`no free port in 100 tries between ${FIRST} and ${END}`)
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Starts a server on a free port; on another one where somebody took it before the server did. */
export async function onFreePort<T>(
  launch: (port: number) => Promise<T>,
): Promise<{ port: number; started: T }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    try {
      return { port, started: await launch(port) }
    } catch (error) {
      if (attempt === 5 || !/in use|could not create server/i.test(String(error))) throw error
    }
  }
}

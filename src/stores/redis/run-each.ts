import { asError } from '../../errors.ts'
import { withTimeLimit } from '../../time/time-limit.ts'
import { isCluster, type RedisClient } from './connection.ts'

/** A command, and what it is told. */
export type Command = readonly [name: string, values: (string | Buffer)[]]

/** Asks by `send`, and gives up after `timeoutMs`. */
export type Ask = <T>(send: () => Promise<T>, timeoutMs: number) => Promise<T>

/**
 * Runs several commands in one exchange, which takes at most `timeoutMs`. One reply or error each; never rejects.
 * @param ask over the one connection of a client that is no cluster
 */
export async function runEach(
  client: RedisClient,
  commands: readonly Command[],
  timeoutMs: number,
  ask: Ask = inTime,
): Promise<unknown[]> {
  // a cluster's pipeline must not leave one node: there each command finds its own
  if (isCluster(client)) {
    const send = ([name, values]: Command): Promise<unknown> => client.call(name, values)
    return Promise.all(commands.map((command) => inTime(() => send(command), timeoutMs).catch(asError)))
  }
  const send = (): Promise<[Error | null, unknown][] | null> => {
    const pipeline = client.pipeline()
    for (const [name, values] of commands) pipeline.call(name, values)
    return pipeline.exec()
  }
  try {
    const replies = (await ask(send, timeoutMs)) ?? []
    return commands.map((_command, at) => {
      const [error, reply] = replies[at] ?? [new Error('no reply'), undefined]
      return error ?? reply
    })
  } catch (error) {
    return commands.map(() => asError(error))
  }
}

/** A cluster's redirections have no time limit of their own. */
export function inTime<T>(send: () => Promise<T>, timeoutMs: number): Promise<T> {
  return withTimeLimit(send(), timeoutMs, 'the answer of Redis', { unref: true })
}

import { asError } from '../../errors.ts'
import { withTimeLimit } from '../../time/time-limit.ts'
import { isCluster, type RedisClient } from './connection.ts'

/** A command, and what it is told. */
export type Command = readonly [name: string, values: (string | Buffer)[]]

/** Runs several commands in one exchange, which takes at most `timeoutMs`. One reply or error each; never rejects. */
export async function runEach(
  client: RedisClient,
  commands: readonly Command[],
  timeoutMs: number,
): Promise<unknown[]> {
  // a cluster's pipeline must not leave one node: there each command finds its own
  if (isCluster(client)) {
    const send = ([name, values]: Command): Promise<unknown> => client.call(name, values)
    return Promise.all(commands.map((command) => inTime(send(command), timeoutMs).catch(asError)))
  }
  const pipeline = client.pipeline()
  for (const [name, values] of commands) pipeline.call(name, values)
  try {
    const replies = (await inTime(pipeline.exec(), timeoutMs)) ?? []
    return commands.map((_command, at) => {
      const [error, reply] = replies[at] ?? [new Error('no reply'), undefined]
      return error ?? reply
    })
  } catch (error) {
    return commands.map(() => asError(error))
  }
}

/** A cluster's redirections have no time limit of their own. */
export function inTime<T>(reply: Promise<T>, timeoutMs: number): Promise<T> {
  return withTimeLimit(reply, timeoutMs, 'the answer of Redis', { unref: true })
}

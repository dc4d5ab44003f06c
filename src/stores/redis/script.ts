import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { asError, isError } from '../../errors.ts'
import { isCluster, type RedisClient } from './connection.ts'
import { type Ask, type Command, inTime, runEach } from './run-each.ts'

/** A Lua script, and the hash by which the server remembers it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/** One script of several parts, one after the other: what the first ones define, the later ones use. */
export function script(...parts: readonly string[]): Script {
  const source = parts.join('\n')
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** One run of a script: the keys that it touches, and what it is told. */
export interface ScriptRun {
  readonly keys: readonly string[]
  readonly args: readonly (string | Buffer)[]
}

/** Text where it is text: one Buffer among its arguments makes the client copy all of them into one. */
export function scriptArgument(bytes: Uint8Array): string | Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? buffer.toString('utf8') : buffer
}

/**
 * Runs a script by its hash, and whole when the server has forgotten it: by a restart, a failover or SCRIPT FLUSH.
 * Strings of the reply are Buffers: payloads are bytes.
 * @throws the server's error; {@link TimeLimitError} when both together take longer than `timeoutMs`
 */
export async function runScript(
  client: RedisClient,
  script: Script,
  run: ScriptRun,
  timeoutMs: number,
): Promise<unknown> {
  return inTime(
    () => byHashElseWhole(script, (command, text) => client.callBuffer(command, scriptArguments(text, run))),
    timeoutMs,
  )
}

/**
 * Runs a script several times in one exchange. One reply or error for each run, strings as text; one exchange takes at
 * most `timeoutMs`. Where the server has forgotten the script, a second exchange brings it along.
 * @param ask over the one connection of a client that is no cluster
 */
export async function runScriptEach(
  client: RedisClient,
  script: Script,
  runs: readonly ScriptRun[],
  timeoutMs: number,
  ask: Ask = inTime,
): Promise<unknown[]> {
  // a cluster's pipeline must not leave one node: there each command finds its own
  if (isCluster(client) || runs.length === 1) {
    const send = (run: ScriptRun): Promise<unknown> =>
      byHashElseWhole(script, (command, text) => client.call(command, scriptArguments(text, run)))
    const limited = isCluster(client) ? inTime : ask
    return Promise.all(runs.map((run) => limited(() => send(run), timeoutMs).catch(asError)))
  }
  const exchange = (some: readonly ScriptRun[], isWhole: (at: number) => boolean): Promise<unknown[]> => {
    const commands = some.map((run, at): Command =>
      isWhole(at)
        ? ['EVAL', scriptArguments(script.source, run)]
        : ['EVALSHA', scriptArguments(script.sha, run)],
    )
    return runEach(client, commands, timeoutMs, ask)
  }
  const replies = await exchange(runs, () => false)
  const forgotten = replies.flatMap((reply, at) => (isForgotten(reply) ? [at] : []))
  if (forgotten.length === 0) return replies
  // the first one sent whole lets the server know the others
  const again = await exchange(
    forgotten.map((at) => runs[at]!),
    (at) => at === 0,
  )
  forgotten.forEach((at, index) => (replies[at] = again[index]))
  return replies
}

async function byHashElseWhole(
  { sha, source }: Script,
  send: (command: 'EVALSHA' | 'EVAL', text: string) => Promise<unknown>,
): Promise<unknown> {
  try {
    return await send('EVALSHA', sha)
  } catch (error) {
    if (!isForgotten(error)) throw error
    return send('EVAL', source)
  }
}

function isForgotten(reply: unknown): boolean {
  return isError(reply) && reply.message.startsWith('NOSCRIPT')
}

function scriptArguments(text: string, { keys, args }: ScriptRun): (string | Buffer)[] {
  return [text, String(keys.length), ...keys, ...args]
}

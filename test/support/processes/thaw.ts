import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Received, Provider, Reply } from '../calls/provider.ts'

const CALLS = 6
const TIMEOUT_MS = 3_000
const STOPPED_MS = 5_000

/**
 * A process is stopped (SIGSTOP) while its calls are on their way, for longer than their timeout; the answers come while
 * it stands and wait in its sockets. When it goes on it reads them: none of its calls timed out.
 *
 * @param specifier of the package, for the child
 * @param nodeOptions what Node needs to load it
 */
export async function checkThaw(
  provider: Provider,
  specifier = 'undici-resilience',
  nodeOptions: readonly string[] = [],
): Promise<void> {
  const waiting: (() => void)[] = []
  const { promise: arrived, resolve } = Promise.withResolvers<void>()
  const reply: Reply = (_request: Received, response) => {
    waiting.push(() => void response.end('ok'))
    if (waiting.length === CALLS) resolve()
  }
  provider.start([reply])
  const script = join(import.meta.dirname, 'thaw-child.ts')
  const args = [...nodeOptions, script, provider.url, String(CALLS), String(TIMEOUT_MS), specifier]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const output = text(child.stdout)
  try {
    await Promise.race([arrived, once(child, 'close').then(() => assert.fail('the child ended early'))])
    child.kill('SIGSTOP')
    for (const answer of waiting) answer()
    await new Promise((go) => setTimeout(go, STOPPED_MS))
    child.kill('SIGCONT')
    await once(child, 'close')
  } finally {
    // a stopped process hears of nothing else
    if (child.exitCode === null) child.kill('SIGKILL')
  }
  assert.deepEqual(JSON.parse(await output), {
    outcomes: Array.from({ length: CALLS }, () => 200),
    circuit: 'closed',
  })
}

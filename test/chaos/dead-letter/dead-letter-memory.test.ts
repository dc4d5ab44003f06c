import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const MIB = 1024 * 1024
/** The default of `maxQueuedBytes`. */
const BOUND = 64 * MIB

interface Counts {
  calls: number
  captured: number
  durable: number
  dropped: number
  handed: number
  withBody: number
  maxRssBytes: number
}

async function run(path: string, calls: number, bytes: number): Promise<Counts> {
  const script = new URL('dead-letter-memory-child.ts', import.meta.url).pathname
  const args = [
    // A small nursery in both: what is needed is measured, not what the collector has left lying so far.
    '--max-semi-space-size=8',
    '--import',
    './test/support/register.ts',
    script,
    path,
    String(calls),
    String(bytes),
    String(BOUND),
  ]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: MIB })
  return JSON.parse(stdout) as Counts
}

it.each([
  [10_000, MIB],
  [5_000, 250 * 1024],
])(
  '%i calls with bodies of %i bytes that fail at once take twice maxQueuedBytes at most',
  async (calls, bytes) => {
    const folder = await mkdtemp(join(tmpdir(), 'memory-'))
    const without = await run('', calls, bytes)
    // the most of a process holds garbage that was not collected yet: what is needed is the least of a few
    let counts = await run(join(folder, 'letters-0.db'), calls, bytes)
    for (let n = 1; n < 5 && counts.maxRssBytes - without.maxRssBytes >= 2 * BOUND; n++) {
      const again = await run(join(folder, `letters-${n}.db`), calls, bytes)
      if (again.maxRssBytes < counts.maxRssBytes) counts = again
    }
    await rm(folder, { recursive: true })
    const more = counts.maxRssBytes - without.maxRssBytes
    const mib = (size: number): string => `${Math.round(size / MIB)} MiB`
    console.log(
      `${calls} calls of ${mib(bytes)} at once: peak ${mib(counts.maxRssBytes)}, ${mib(without.maxRssBytes)} without dead ` +
        `letters, ${mib(more)} more (bound ${mib(BOUND)}); ${counts.durable} kept, ${counts.dropped} dropped and told`,
    )
    expect(counts.calls).toBe(calls)
    expect(more).toBeLessThan(2 * BOUND)
    // each is kept or told, and none of both
    expect(counts.durable + counts.dropped).toBe(calls)
    expect(counts.captured).toBe(counts.durable)
    expect(counts.handed).toBe(counts.dropped)
    expect(counts.withBody).toBe(0)
    // as many as the bound has room for
    expect(counts.durable).toBeGreaterThan((0.9 * BOUND) / (bytes + 16 * 1024))
  },
)

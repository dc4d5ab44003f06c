import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { type RunningRedis, startRedis } from '../../support/servers/redis-server.ts'

const ROUNDS = 100
/** Rounds at the same time, each with a server of its own. */
const LANES = 2
/**
 * A call that ended so long before the kill must be kept, in milliseconds in which its process could run: while it waits
 * for a processor, or the machine stands still, nothing can be kept.
 */
const GRACE_MS = 150

/** What Redis goes through while calls fail; resolves when it is so. What it leaves behind, `mend` ends. */
const states: Record<string, (server: RunningRedis) => Promise<unknown>> = {
  up: async () => undefined,
  killed: (server) => server.kill({ keepDir: true }),
  stopped: async (server) => server.freeze(),
  full: (server) => server.cli('config', 'set', 'maxmemory', '1mb'),
  'restarting with its data': async (server) => {
    await server.kill({ keepDir: true })
    await sleep(Math.random() * 400)
    await server.restart()
  },
  'restarting empty': async (server) => {
    await server.kill()
    await sleep(Math.random() * 400)
    await server.restart()
  },
}

async function mend(state: string, server: RunningRedis): Promise<void> {
  if (state === 'killed') await server.restart()
  if (state === 'stopped') server.thaw()
  if (state === 'full') await server.cli('config', 'set', 'maxmemory', '0')
}

interface Tally {
  rounds: number
  calls: number
  missing: string[]
  /** Redis had acknowledged them before it was emptied. */
  lostByRedis: number
  dropped: number
  /** From `dead-letter:captured` to the first `dead-letter:durable`, of those captured since the fault, in milliseconds. */
  waits: number[]
}

async function round(server: RunningRedis, state: string, tally: Tally): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kill-'))
  const [spoolPath, logPath] = [join(folder, 'spool.db'), join(folder, 'log.txt')]
  const script = new URL('dead-letter-kill-child.ts', import.meta.url).pathname
  const args = ['--import', './test/support/register.ts', script, server.url, spoolPath, logPath]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const text = async (): Promise<string> => (existsSync(logPath) ? readFile(logPath, 'utf8') : '')
  while (!(await text()).includes('store')) {
    if (child.exitCode !== null) throw new Error('the child ended')
    await sleep(20)
  }
  await sleep(Math.random() * 200)
  const faultAt = Date.now()
  const fault = states[state]!(server)
  await sleep(50 + Math.random() * 700)
  child.kill('SIGKILL')
  await ended
  await fault
  await mend(state, server)

  const times: Record<string, Map<string, { at: number; lived: number }>> = {}
  for (const what of ['captured', 'ended', 'store', 'spool', 'dropped', 'beat']) times[what] = new Map()
  let livedAtKill = 0
  for (const line of (await text()).trimEnd().split('\n')) {
    const [what = '', id = '', at, lived] = line.split(' ')
    livedAtKill = Number(lived)
    // the first of its kind: the drain tells of the store again
    if (!times[what]!.has(id)) times[what]!.set(id, { at: Number(at), lived: livedAtKill })
  }
  const spool = new DatabaseSync(spoolPath)
  const kept = new Set(
    spool
      .prepare('SELECT id FROM dead_letters')
      .all()
      .map(({ id }) => String(id)),
  )
  spool.close()
  const client = new Redis(server.url)
  for (const id of await client.hkeys('undici-resilience:1:{dead-letters}:states')) kept.add(id)
  client.disconnect()

  tally.rounds++
  tally.dropped += times['dropped']!.size
  for (const [id, { lived }] of times['ended']!) {
    if (livedAtKill - lived < GRACE_MS) continue
    tally.calls++
    if (kept.has(id)) continue
    if (state === 'restarting empty' && times['store']!.has(id)) tally.lostByRedis++
    else tally.missing.push(id)
  }
  for (const [id, captured] of times['captured']!) {
    const first = [times['store']!.get(id), times['spool']!.get(id)]
      .filter((durable) => durable !== undefined)
      .sort((a, b) => a.at - b.at)[0]
    if (captured.at < faultAt || first === undefined) continue
    tally.waits.push(Math.max(0, first.at - captured.at))
  }
  await rm(folder, { recursive: true })
}

it(
  'keeps every call that ended 150 ms before a SIGKILL, whatever Redis does',
  { timeout: 400_000 },
  async () => {
    const tallies = new Map<string, Tally>()
    const plan = Array.from({ length: ROUNDS }, (_, n) => Object.keys(states)[n % 6]!)
    for (const state of Object.keys(states)) {
      tallies.set(state, { rounds: 0, calls: 0, missing: [], lostByRedis: 0, dropped: 0, waits: [] })
    }
    const began = performance.now()
    const lane = async (): Promise<void> => {
      // every write is on disk before it is answered: what Redis has acknowledged survives its own SIGKILL
      const server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
      try {
        for (let state = plan.shift(); state !== undefined; state = plan.shift()) {
          await round(server, state, tallies.get(state)!)
        }
      } finally {
        await server.stop()
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    let calls = 0
    for (const [state, tally] of tallies) {
      const waits = tally.waits.sort((a, b) => a - b)
      const at = (share: number): number => waits[Math.floor((waits.length - 1) * share)] ?? NaN
      calls += tally.calls
      console.log(
        `SIGKILL with Redis ${state}: ${tally.rounds} rounds, ${tally.calls} calls, ${tally.missing.length} missing` +
          (tally.lostByRedis > 0 ? `, ${tally.lostByRedis} lost by Redis` : '') +
          `; captured to durable p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms of ${waits.length}`,
      )
    }
    console.log(`${ROUNDS} rounds in ${Math.round((performance.now() - began) / 1000)} s`)
    for (const [state, { missing, dropped, rounds }] of tallies) {
      expect(missing, state).toEqual([])
      expect(dropped, state).toBe(0)
      expect(rounds, state).toBeGreaterThanOrEqual(Math.floor(ROUNDS / 6))
    }
    // what is not there cannot be missing
    expect(calls).toBeGreaterThan(ROUNDS * 5)
  },
)

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'

interface Run {
  code: number | null
  output: string
  ms: number
}

function demo(env: Record<string, string> = {}): Promise<Run> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [join('examples', 'demo', 'demo.ts')], {
    env: { ...process.env, FORCE_COLOR: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => void (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => void (output += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output, ms: performance.now() - startedAt }))
  })
}

/** The numbers of a row of the table: GET, POST, PUT, all. */
function row(output: string, title: string): number[] {
  const line = output.split('\n').find((text) => text.trim().startsWith(`${title} `))
  return (line ?? '').trim().slice(title.length).trim().split(/\s+/).map(Number)
}

let run: Run
let lose: Run
let duplicate: Run
let corrupt: Run
beforeAll(async () => {
  // in pairs: a demo gives itself 28 s, of which four at once leave each of them less
  ;[run, lose] = await Promise.all([demo(), demo({ DEMO_FAULT: 'lose' })])
  ;[duplicate, corrupt] = await Promise.all([
    demo({ DEMO_FAULT: 'duplicate' }),
    demo({ DEMO_FAULT: 'corrupt' }),
  ])
}, 90_000)

describe('the demo', () => {
  it('ends by itself within 30 s, with nothing lost, duplicated or corrupted', () => {
    expect(run.output).toContain('lost 0, duplicates 0, corrupted 0, retried before Retry-After 0')
    expect(run.code).toBe(0)
    expect(run.ms).toBeLessThan(30_000)
  })

  it('tells of retries, the circuit, dead letters and replay', () => {
    for (const line of [
      /503 → attempt 2 in \d+ ms/,
      /429 \(Retry-After: 1\) → attempt 2 in 1\d{3} ms/,
      /ECONNRESET → attempt 2/,
      /ECONNREFUSED → attempt/,
      /closed → open/,
      /open → half-open/,
      /half-open → closed/,
      /circuit-open, 0 attempts, not-sent/,
    ]) {
      expect(run.output).toMatch(line)
    }
  })

  it('ends with a table that adds up', () => {
    const calls = row(run.output, 'calls')
    const parts = ['ok at first', 'rescued by retry', 'refused by the circuit', 'gave up']
    const sums = parts.map((title) => row(run.output, title))
    expect(calls).toEqual([120, 120, 60, 300])
    expect(calls).toEqual(calls.map((_, column) => sums.reduce((sum, part) => sum + (part[column] ?? 0), 0)))
    const letters = row(run.output, 'dead-lettered')
    expect(letters[3]).toBeGreaterThan(0)
    expect(row(run.output, 'replayed')).toEqual(letters)
    expect(row(run.output, 'lost')).toEqual([0, 0, 0, 0])
  })

  it('writes no colour codes into a pipe', () => {
    expect(run.output).not.toContain('\u001b')
  })

  it('fails when the provider dropped a write that it had accepted', () => {
    expect(lose.output).toMatch(/lost 1, duplicates 0, corrupted 0/)
    expect(row(lose.output, 'lost')).toEqual([0, 1, 0, 1])
    expect(lose.code).toBe(1)
  })

  it('fails when a write was carried out twice', () => {
    expect(duplicate.output).toMatch(/lost 0, duplicates 1, corrupted 0/)
    expect(duplicate.code).toBe(1)
  })

  it('fails when a streamed body arrived with other bytes', () => {
    expect(corrupt.output).toMatch(/lost 0, duplicates 0, corrupted 1/)
    expect(corrupt.code).toBe(1)
  })
})

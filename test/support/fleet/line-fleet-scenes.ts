import { expect } from 'vitest'
import { type LineFleetReport, playLineFleet } from './line-fleet.ts'

type Options = Omit<Parameters<typeof playLineFleet>[0], 'seed'>

interface LineFleetScene {
  readonly name: string
  readonly options: Options
  /** What must hold beside what always does. */
  check(report: LineFleetReport): void
}

const quiet = { perSecond: 0 }

/** Eight processes with a line each, and what must come of it. */
export const lineFleetScenes: readonly LineFleetScene[] = [
  {
    name: 'a restart that breaks ten calls in each, no calls before: none is lost, two probes close it for all',
    options: { ...quiet, outageMs: 0 },
    check({ lost, openings, probes, mostProbes, held, heldMs, newsMs }) {
      expect({ lost, openings, probes, mostProbes, held }).toEqual({
        lost: 0,
        openings: 1,
        probes: 2,
        mostProbes: 2,
        held: 80,
      })
      expect(heldMs.most).toBeLessThan(1_150)
      expect(newsMs).toBeLessThan(10)
    },
  },
  {
    name: 'the same amid 160 calls per second: nothing opens',
    options: { outageMs: 0 },
    check: ({ lost, openings }) => expect({ lost, openings }).toEqual({ lost: 0, openings: 0 }),
  },
  {
    name: 'a successor that comes after 1 s: none is lost',
    options: { ...quiet, outageMs: 1_000 },
    check({ lost, mostProbes }) {
      expect(lost).toBe(0)
      expect(mostProbes).toBeLessThanOrEqual(2)
    },
  },
  {
    name: 'no news at all: processes that were denied a probe ask again, and none is lost',
    options: { ...quiet, outageMs: 0, pushes: 'lost' },
    check({ lost, mostProbes, newsMs }) {
      expect(lost).toBe(0)
      expect(mostProbes).toBeLessThanOrEqual(2)
      expect(newsMs).toBeLessThan(1_150)
    },
  },
  {
    name: 'news that comes up to 1.5 s late: none is lost',
    options: { ...quiet, outageMs: 300, pushes: 1_500 },
    check({ lost, mostProbes }) {
      expect(lost).toBe(0)
      expect(mostProbes).toBeLessThanOrEqual(2)
    },
  },
  {
    name: 'one command in seven and one reply in seven lost: none is lost',
    options: { ...quiet, outageMs: 0, loss: 0.15 },
    check: ({ lost }) => expect(lost).toBe(0),
  },
  {
    name: 'a quorum of three, and one process whose connections break: nothing opens, nobody waits',
    options: { ...quiet, outageMs: 0, burstsIn: 1, breaker: { quorum: 3 } },
    check: ({ lost, openings, held }) =>
      expect({ lost, openings, held }).toEqual({ lost: 0, openings: 0, held: 0 }),
  },
  {
    name: 'a quorum of three, and all: it opens once, and none is lost',
    options: { ...quiet, outageMs: 0, breaker: { quorum: 3 } },
    check: ({ lost, openings }) => expect({ lost, openings }).toEqual({ lost: 0, openings: 1 }),
  },
  {
    name: 'an outage of 10 s at 160 calls per second: two probes at most, and nobody is held for more than 5 s',
    options: { outageMs: 10_000 },
    check({ openings, mostProbes, newsMs }) {
      expect(openings).toBeGreaterThan(1)
      expect(mostProbes).toBe(2)
      expect(newsMs).toBeLessThan(20)
    },
  },
]

/** Plays a scene, and checks what must always hold. */
export async function checkLineFleet(scene: LineFleetScene, seed: number): Promise<LineFleetReport> {
  const report = await playLineFleet({ ...scene.options, seed })
  scene.check(report)
  expect(report.heldMs.most, `seed ${seed}`).toBeLessThanOrEqual(5_001)
  expect(report.overtaken, `seed ${seed}`).toBe(0)
  expect(report.waiting, `seed ${seed}`).toBe(0)
  return report
}

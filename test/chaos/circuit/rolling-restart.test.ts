import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RollingReport, Subject } from '../../support/rolling/client-child.ts'
import { forkSource, Pods } from '../../support/rolling/pods.ts'

const subjects: readonly Subject[] = ['our stack', 'undici retry', 'bare undici']

let pods: Pods
beforeEach(async () => void (pods = await Pods.start(3)))
afterEach(() => pods.stop())

test.each([
  ['each told to end, and given the time', true],
  ['each killed', false],
])(
  'three servers behind one port, %s: 20 quiet and 200 busy clients lose no call that may be repeated',
  async (_how, grace) => {
    const children = subjects.map((subject) => forkSource('./client-child.ts', [subject, pods.url]))
    // every client has called, and has its connections
    await Promise.all(children.map((child) => once(child, 'message')))
    await pods.restartAll(grace)
    const reports = await Promise.all(
      children.map(async (child) => {
        const reported = once(child, 'message') as Promise<[RollingReport]>
        child.send('stop')
        return (await reported)[0]
      }),
    )
    const lines = reports.map(
      ({ calls, lost, slowestMs, codes }, at) =>
        `${subjects[at]!.padEnd(12)}  ${calls} calls, lost ${lost.repeatable} that may be repeated and ${lost.post} POSTs, ` +
        `slowest ${slowestMs} ms ${JSON.stringify(codes)}`,
    )
    console.log(`rolling restart, ${grace ? 'with' : 'without'} grace\n${lines.join('\n')}`)
    const [ours, , bare] = reports
    expect(ours!.calls).toBeGreaterThan(800)
    expect(ours!.lost.repeatable).toBe(0)
    // the restart was one
    if (!grace) expect(bare!.lost.repeatable).toBeGreaterThan(0)
  },
  60_000,
)

import { isDeepStrictEqual } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as machine from '../../../src/circuit/machine/machine.ts'
import type { CircuitPolicy } from '../../../src/circuit/machine/policy.ts'
import {
  createMachine,
  type Machine,
  type Step,
  unknownView,
  type View,
  viewOf,
} from '../../../src/circuit/machine/state.ts'
import type { CircuitBackend, CircuitRequest, Timed } from '../../../src/circuit/shared/backend.ts'
import { isError } from '../../../src/errors.ts'
import { seeded } from '../../support/simulation/random.ts'

interface CircuitBackendFixture {
  /** The backend as the process `by` has it. */
  backend(by: string): CircuitBackend
  /** Sets the server's clock, in milliseconds since 1970, for the commands that are sent after it. */
  setClock(ms: number): void
  /** The server loses the circuit, before the commands that are sent after it. */
  lose(id: string): void
  dispose(): Promise<void>
}

interface CircuitBackendContractOptions {
  /** Random traces that are run beside the fixed ones. */
  readonly traces: number
  /** Traces that run at the same time, each on a fixture of its own. */
  readonly lanes: number
  /**
   * Each process counts in a ring of its own, whose sums are added up. That differs from one ring for all where processes
   * have different options, and where the clock steps back into what others have overwritten: such traces are left out.
   * Default false.
   */
  readonly ringOfEach?: boolean
  /** Further traces: of rare corners, where chance would need more traces to find them than the backend can run. */
  readonly rare?: readonly number[]
}

const START = 1_700_000_000_000
const STEPS = 40
const processes = ['p1', 'p2', 'p3', 'p4']
const tokens = ['t1', 't2', 't3', 't4']

const policy: CircuitPolicy = {
  failureThreshold: 3,
  failureRate: 0.5,
  minimumRequests: 3,
  windowMs: 30_000,
  timeoutMs: 30_000,
  maxTimeoutMs: 300_000,
  halfOpenMaxAttempts: 2,
  slowCallMs: 1,
  slowCallRate: 0,
  quorum: 1,
  probeTimeoutMs: 60_000,
  leaseMs: 10_000,
  maxWaitMs: 0,
  maxWaiting: 0,
}

type Pick = <T>(items: readonly T[]) => T

/**
 * Nothing in it is short: a server may forget a circuit that nobody has used for twice its window, by the time that
 * passes, whatever the clock says that the test has set.
 */
function randomPolicy(pick: Pick): CircuitPolicy {
  const timeoutMs = pick([10_000, 100_000])
  return {
    ...policy,
    failureThreshold: pick([1, 3, 5]),
    failureRate: pick([0, 0.5, 0.3, 0.7, 1]),
    minimumRequests: pick([1, 5, 10]),
    windowMs: pick([10_000, 100_000, 99_995]),
    timeoutMs,
    maxTimeoutMs: timeoutMs * pick([1, 3, 8]),
    halfOpenMaxAttempts: pick([1, 2, 3]),
    slowCallRate: pick([0, 0, 0.5]),
    quorum: pick([1, 1, 2, 3]),
    leaseMs: pick([20_000, 100_000]),
  }
}

/** A view that no machine has told: from another time, or broken. */
function strangeView(view: View, pick: Pick): View {
  return {
    epoch: pick([1, 5e6, 15e6, 6e10, NaN, -view.epoch - 1, 0.5, Infinity]) + view.epoch,
    state: pick(['closed', 'open', 'half-open']),
    remainingMs: pick([0, 5_000, 500_000, 1e9]),
    trips: pick([0, 1, 4, 2_000]),
    override: pick([undefined, undefined, undefined, 'isolated', 'forced-closed']),
    by: 'x',
  }
}

/** Samples of every size up to 40, and larger ones whose hits are about as many as decide: `[total, hits]`. */
function samplesFor(rate: number): [total: number, hits: number][] {
  const samples: [number, number][] = []
  for (let total = 1; total <= 40; total++) {
    for (let hits = 0; hits <= total + 1; hits++) samples.push([total, hits])
  }
  for (const total of [50, 77, 100, 250, 999, 1_000, 4_096, 100_000]) {
    const least = rate * total + Math.sqrt(5.4119 * total * rate * (1 - rate))
    for (let hits = Math.floor(least) - 2; hits <= least + 2; hits++) {
      if (hits >= 0 && hits <= total) samples.push([total, hits])
    }
  }
  return samples
}

/** What a trace has come through: `flush same open`. */
type Seen = Map<string, number>

function note(seen: Seen, what: string): void {
  seen.set(what, (seen.get(what) ?? 0) + 1)
}

/** Runs a random trace on the backend and on `machine.ts`, and compares every reply. */
async function runTrace(
  fixture: CircuitBackendFixture,
  seed: number,
  seen: Seen,
  ringOfEach: boolean,
): Promise<void> {
  const chance = seeded(seed)
  const pick: Pick = (items) => items[Math.floor(chance() * items.length)]!
  // mostly all processes have the same options
  const policies =
    chance() < 0.75 || ringOfEach ? [randomPolicy(pick)] : [randomPolicy(pick), randomPolicy(pick)]
  const ids = ['a', 'b'].map((name) => fixture.backend('p1').idOf(`https://${name}-${seed}.test`))
  const models = new Map<string, Machine>()
  const known = new Map<string, View[]>(ids.map((id) => [id, [unknownView]]))
  let now = START + Math.floor(chance() * 1e9)

  for (let nth = 0; nth < STEPS; nth++) {
    now += pick([0, 0, 0.25, 1, 700, 3_000, 6_000, 12_000, 40_000])
    if (chance() < 0.05) now += 300_000
    if (chance() < 0.02 && !ringOfEach) now -= 50_000
    fixture.setClock(now)
    const at = processes.indexOf(pick(processes))
    const by = processes[at]!
    const own = policies[at % policies.length]!
    const backend = fixture.backend(by)

    const modelOf = (id: string): Machine => {
      const model = models.get(id) ?? createMachine(own)
      models.set(id, model)
      return model
    }
    const ask = (id: string): { request: CircuitRequest; model: Machine; step: Step } => {
      const model = modelOf(id)
      let view = chance() < 0.75 ? viewOf(model, now) : pick(known.get(id)!)
      if (chance() < 0.04) view = strangeView(view, pick)
      return { request: { id, policy: own, view }, model, step: { policy: own, now, by, view } }
    }
    const compare = (
      operation: string,
      replied: object,
      expected: machine.ControlReply & { result?: string },
    ): void => {
      const { status, result, view } = expected
      const what = [operation, status, result, view.state, view.override].filter(Boolean).join(' ')
      note(seen, what)
      const wanted = { ...expected, serverMs: now }
      // tens of thousands of times: only what differs is worth a message
      if (isDeepStrictEqual(replied, wanted)) return
      expect(replied, `seed ${seed} step ${nth}: ${what}`).toEqual(wanted)
    }

    const dice = chance()
    const id = pick(ids)
    if (dice < 0.4) {
      const batch = (chance() < 0.3 ? ids : [id]).map((one) => {
        const counts = { total: 0, failed: pick([0, 0, 1, 1, 2, 3]), slow: pick([0, 0, 0, 1]) }
        counts.total = counts.failed + counts.slow + pick([0, 1, 3])
        return { ...ask(one), counts }
      })
      const replies = await backend.flush(batch.map(({ request, counts }) => ({ ...request, counts })))
      if (replies.length !== batch.length) {
        expect(replies, `seed ${seed} step ${nth}`).toHaveLength(batch.length)
      }
      batch.forEach(({ model, step, counts }, index) => {
        const rowGoesOn = model.phase.state === 'closed' && model.trips > 0
        const expected = machine.flush(model, step, counts)
        compare('flush', replies[index]!, expected)
        const { state, trips } = expected.view
        if (rowGoesOn && state === 'open') note(seen, trips > 1 ? 'a row goes on' : 'a row begins anew')
      })
    } else if (dice < 0.68) {
      const { request, model, step } = ask(id)
      const [token, renew] = [pick(tokens), chance() < 0.2]
      const reply = await backend.acquire(request, token, renew)
      compare('acquire', reply, machine.acquire(model, step, token, renew))
    } else if (dice < 0.96) {
      const { request, model, step } = ask(id)
      const [token, result] = [pick(tokens), pick(['ok', 'ok', 'ok', 'fail', 'void'] as const)]
      const reply = await backend.report(request, token, result)
      compare('report', reply, machine.report(model, step, token, result))
    } else if (dice < 0.98) {
      const { request, model, step } = ask(id)
      const action = pick(['isolate', 'force-close', 'reset', 'reset', 'reset'] as const)
      const reply = await backend.control(request, action)
      compare('control', reply, machine.control(model, step, action))
    } else {
      fixture.lose(id)
      models.delete(id)
    }
    for (const [one, model] of models) {
      const views = known.get(one)!
      views.push(viewOf(model, now))
      if (views.length > 6) views.shift()
    }
  }
}

/** A trace that never got here compares nothing. */
const corners = [
  'flush created closed',
  'flush same open',
  'flush adopted open',
  'flush refused closed',
  'flush behind half-open',
  'acquire same go closed',
  'acquire same granted half-open',
  'acquire same denied half-open',
  'acquire same denied open isolated',
  'a row goes on',
  'a row begins anew',
  'report same counted closed',
  'report same counted half-open',
  'report same counted open',
  'report same void half-open',
  'report same ignored half-open',
  'control adopted closed forced-closed',
]

/** What every implementation of the `CircuitBackend` port must do: what `machine.ts` does, for all processes at once. */
export function circuitBackendContract(
  name: string,
  make: () => Promise<CircuitBackendFixture>,
  { traces, lanes, ringOfEach = false, rare = [] }: CircuitBackendContractOptions,
): void {
  describe(`circuit backend contract: ${name}`, () => {
    test('replies to every step of random traces as machine.ts does', async () => {
      // the same each time: what fails here fails again; `CIRCUIT_SEED=123456` for a look at others
      const other = Number(process.env['CIRCUIT_SEED'] ?? traces + 1)
      const usual = Array.from({ length: traces }, (_one, at) => [at + 1, other + at]).flat()
      // each once: the circuits of a trace are named by its seed
      const seeds = [...new Set([...usual, ...rare])]
      const seen: Seen = new Map()
      const runLane = async (): Promise<void> => {
        const fixture = await make()
        try {
          for (let seed = seeds.pop(); seed !== undefined; seed = seeds.pop()) {
            await runTrace(fixture, seed, seen, ringOfEach)
          }
        } finally {
          await fixture.dispose()
        }
      }
      await Promise.all(Array.from({ length: lanes }, runLane))
      for (const corner of corners) expect(seen.get(corner) ?? 0, corner).toBeGreaterThan(2)
    }, 300_000)

    test('comes to the verdict of machine.ts on every sample', async () => {
      const fixture = await make()
      try {
        const backend = fixture.backend('p1')
        fixture.setClock(START)
        let opened = 0
        for (const rate of [0, 0.1, 1 / 3, 0.5, 2 / 3, 0.7, 0.9, 1]) {
          // by failures, and in every other sample by slow calls alone
          const bySlowness = { ...policy, failureThreshold: 1e6, slowCallRate: rate, minimumRequests: 1 }
          const byFailures = { ...policy, failureThreshold: 1, failureRate: rate, minimumRequests: 1 }
          const requests = samplesFor(rate).map(([total, hits], at) => {
            const slow = rate > 0 && at % 2 === 1
            const id = backend.idOf(`https://${rate}-${total}-${hits}.test`)
            const counts = { total, failed: slow ? 0 : hits, slow: slow ? hits : 0 }
            return { id, policy: slow ? bySlowness : byFailures, view: unknownView, counts }
          })
          for (let from = 0; from < requests.length; from += 500) {
            const batch = requests.slice(from, from + 500)
            const replies = await backend.flush(batch)
            batch.forEach((request, at) => {
              const reply = replies[at]!
              if (isError(reply)) throw reply
              const step: Step = { policy: request.policy, now: START, by: 'p1', view: unknownView }
              const expected = machine.flush(createMachine(request.policy), step, request.counts).view.state
              if (expected === 'open') opened += 1
              if (reply.view.state === expected) return
              const { total, failed, slow } = request.counts
              expect(reply.view.state, `${failed} failed and ${slow} slow of ${total} at ${rate}`).toBe(
                expected,
              )
            })
          }
        }
        expect(opened).toBeGreaterThan(1_000)
      } finally {
        await fixture.dispose()
      }
    }, 180_000)

    describe('many processes at the same moment', () => {
      let fixture: CircuitBackendFixture
      beforeEach(async () => {
        fixture = await make()
        fixture.setClock(START)
      })
      afterEach(() => fixture.dispose())

      const fleet = (): CircuitBackend[] =>
        Array.from({ length: 40 }, (_one, at) => fixture.backend(`p${at}`))
      const nothing = { total: 0, failed: 0, slow: 0 }
      const flushed = async (backend: CircuitBackend, request: CircuitRequest, counts = nothing) => {
        const [reply] = await backend.flush([{ ...request, counts }])
        if (reply === undefined || isError(reply)) throw reply ?? new Error('no reply')
        return reply
      }
      /** A closed circuit, and what a process asks that knows it. */
      const closed = async (options: Partial<CircuitPolicy> = {}): Promise<CircuitRequest> => {
        const [first] = fleet()
        const request = { id: first!.idOf('https://api.test'), policy: { ...policy, ...options } }
        const { view } = await flushed(first!, { ...request, view: unknownView })
        expect(view.state).toBe('closed')
        return { ...request, view }
      }
      const opened = async (options: Partial<CircuitPolicy> = {}): Promise<CircuitRequest> => {
        const request = await closed(options)
        const { view } = await flushed(fixture.backend('p1'), request, { total: 9, failed: 9, slow: 0 })
        expect(view.state).toBe('open')
        return { ...request, view }
      }

      test('a look tells epochs, 0 where there is nothing, and changes nothing', async () => {
        const request = await opened()
        const backend = fixture.backend('p2')
        const other = backend.idOf('https://nobody.test')
        expect(await backend.peek([other, request.id])).toEqual([0, request.view.epoch])
        expect(await backend.peek([])).toEqual([])
        const made = await flushed(backend, { id: other, policy, view: unknownView })
        expect(made.status).toBe('created')
        expect(await backend.peek([request.id, other])).toEqual([request.view.epoch, made.view.epoch])
      })

      test('failures of all of them add up, none is lost', async () => {
        const request = await closed({ failureThreshold: 40, minimumRequests: 40, quorum: 40 })
        const one = { total: 1, failed: 1, slow: 0 }
        await Promise.all(fleet().map((backend) => flushed(backend, request, one)))
        expect((await flushed(fixture.backend('p1'), request)).view.state).toBe('open')
      })

      test('as many probes are granted as allowed, under one epoch', async () => {
        const request = await opened({ halfOpenMaxAttempts: 2 })
        fixture.setClock(START + policy.timeoutMs)
        const replies = await Promise.all(
          fleet().map((backend, at) => backend.acquire(request, `token-${at}`, false)),
        )
        expect(replies.filter(({ result }) => result === 'granted')).toHaveLength(2)
        expect(replies.filter(({ result }) => result === 'denied')).toHaveLength(38)
        expect(new Set(replies.map(({ view }) => view.epoch)).size).toBe(1)
        expect(replies[0]!.view.epoch).toBeGreaterThan(request.view.epoch)
      })

      test('one of them opens the circuit anew when all report a failed probe', async () => {
        const request = await opened({ halfOpenMaxAttempts: 40 })
        fixture.setClock(START + policy.timeoutMs)
        const granted = await Promise.all(
          fleet().map((backend, at) => backend.acquire(request, `token-${at}`, false)),
        )
        const view = granted[0]!.view
        const replies = await Promise.all(
          fleet().map((backend, at) => backend.report({ ...request, view }, `token-${at}`, 'fail')),
        )
        expect(replies.filter(({ result }) => result === 'counted')).toHaveLength(1)
        expect(replies.map((reply) => reply.view)).toEqual(
          replies.map(() => expect.objectContaining({ state: 'open', trips: 2 }) as unknown),
        )
      })

      test('each overrides it under an epoch of its own', async () => {
        const request = await closed()
        const replies: Timed<machine.ControlReply>[] = await Promise.all(
          fleet().map((backend) => backend.control(request, 'isolate')),
        )
        expect(new Set(replies.map(({ view }) => view.epoch)).size).toBe(40)
      })

      test('circuits whose keys have unusual characters are kept apart', async () => {
        const backend = fixture.backend('p1')
        const keys = [
          'a b',
          'a  b',
          '{a}',
          '{a}b',
          'ä',
          'a:s',
          '%',
          "a'b",
          'x'.repeat(5_000),
          'a\nb',
          '\0',
          '',
        ]
        const ids = keys.map((key) => backend.idOf(key))
        expect(new Set(ids).size).toBe(keys.length)
        for (const id of ids) await backend.control({ id, policy, view: unknownView }, 'isolate')
        await backend.control({ id: ids[0]!, policy, view: unknownView }, 'reset')
        const replies = await backend.flush(
          ids.map((id) => ({ id, policy, view: unknownView, counts: nothing })),
        )
        expect(replies.map((reply) => isError(reply) || reply.view.override)).toEqual(
          keys.map((_key, at) => (at === 0 ? undefined : 'isolated')),
        )
      })
    })
  })
}

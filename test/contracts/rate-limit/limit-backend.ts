import { beforeEach, describe, expect, it } from 'vitest'
import { isError } from '../../../src/errors.ts'
import type {
  LimitBackend,
  LimitMessage,
  LimitReply,
  LimitRequest,
} from '../../../src/rate-limit/shared/backend.ts'

/** A backend whose clock the test moves. */
interface LimitBackendSubject {
  readonly backend: LimitBackend
  /** Lets time pass on the server. */
  advance(ms: number): Promise<void>
  /** The server loses everything. */
  wipe(): Promise<void>
  /** What was pushed since the last look. */
  pushed(): Promise<LimitMessage[]>
}

const id = 'http://api.test'
const windowMs = 10_000

/** What every store of limits that processes share must do. */
export function limitBackendContract(name: string, make: () => Promise<LimitBackendSubject>): void {
  describe(name, () => {
    let subject: LimitBackendSubject
    let sequences: Map<string, number>

    beforeEach(async () => {
      subject = await make()
      sequences = new Map()
    })

    const ask = async (by: string, given: Partial<LimitRequest> = {}): Promise<LimitReply> => {
      const sequence = (sequences.get(by) ?? 0) + 1
      sequences.set(by, sequence)
      const [reply] = await subject.backend.exchange([
        {
          by,
          id,
          name: String(windowMs),
          limit: 100,
          windowMs,
          sequence,
          used: 0,
          usedKnown: 0,
          returned: 0,
          returnedKnown: 0,
          held: 0,
          live: 0,
          background: 0,
          liveLeast: 1,
          backgroundLeast: 1,
          spare: 0,
          leaseMs: 2_000,
          reserved: 0,
          generation: '',
          history: undefined,
          providerUsed: undefined,
          ...given,
        },
      ])
      if (isError(reply) || reply === undefined) throw reply ?? new Error('no reply')
      return reply
    }
    /** A limit that has been there for a while: a new one grants little. */
    const begin = async (): Promise<string> => {
      const { generation } = await ask('first')
      await subject.advance(400)
      return generation
    }

    it('grants little of a limit that nobody knew, and then all of it', async () => {
      expect(await ask('a', { live: 50 })).toMatchObject({ status: 'created', live: 20 })
      await subject.advance(400)
      expect((await ask('b', { live: 10 })).live).toBe(10)
    })

    it('lets who waits at a new limit come back when it is new no more, and not a window later', async () => {
      expect((await ask('a', { live: 50 })).retryInMs).toBeLessThanOrEqual(300)
      await subject.advance(100)
      const told = await ask('a', { used: 20, live: 30 })
      expect(told).toMatchObject({ live: 0 })
      expect(told.retryInMs).toBeGreaterThan(0)
      expect(told.retryInMs).toBeLessThanOrEqual(200)
      await subject.advance(200)
      expect((await ask('a', { used: 20, live: 30 })).live).toBe(30)
    })

    it('grants no more than the limit, whatever is held by whom', async () => {
      await begin()
      let granted = 0
      for (const by of ['a', 'b', 'c', 'd', 'e', 'f']) {
        const { live, spare } = await ask(by, { live: 30, spare: 20 })
        granted += live + spare
      }
      expect(granted).toBeLessThanOrEqual(100)
      expect(granted).toBeGreaterThan(20)
    })

    it('counts a use for the whole window from its report on', async () => {
      await begin()
      await ask('a', { used: 100 })
      expect(await ask('b', { live: 1 })).toMatchObject({ live: 0, used: 100, scarce: true })
      await subject.advance(9_900)
      expect((await ask('b', { live: 1 })).live).toBe(0)
      await subject.advance(300)
      expect((await ask('b', { live: 1 })).live).toBe(1)
    })

    it('counts a use once, though a reply is lost and it is reported again', async () => {
      await begin()
      await ask('a', { used: 10 })
      await ask('a', { used: 15 })
      expect((await ask('b')).used).toBe(15)
    })

    it('takes nothing of a request that was overtaken', async () => {
      await begin()
      await ask('a', { used: 10 })
      const reply = await ask('a', { used: 90, sequence: 1 })
      expect(reply.status).toBe('stale')
      expect((await ask('b')).used).toBe(10)
    })

    it('loses no room by a request that was overtaken', async () => {
      await begin()
      await ask('a', { used: 10, live: 30 })
      await ask('b', { live: 20 })
      await subject.advance(1_900)
      await ask('a', { used: 10, held: 30 })
      await subject.advance(200)
      // the lease of b has lapsed by now
      expect((await ask('a', { used: 10, sequence: 2 })).status).toBe('stale')
      await subject.advance(12_000)
      expect((await ask('a', { used: 10, sequence: 2 })).status).toBe('stale')
      await ask('c')
      await subject.advance(12_000)
      expect(await ask('c')).toMatchObject({ used: 0, free: 100 })
    })

    it('goes on when the clock of the server steps back by an hour', async () => {
      await begin()
      await ask('a', { used: 60, live: 40 })
      await subject.advance(-3_600_000)
      await ask('b', { live: 10 })
      await subject.advance(13_000)
      const { generation } = await ask('b')
      await subject.advance(13_000)
      expect(await ask('b', { live: 10, generation })).toMatchObject({ status: 'same', live: 10, used: 0 })
    })

    it('counts what processes use whose margins differ, as during a deployment', async () => {
      await begin()
      const wider = { windowMs: windowMs + 200 }
      for (let times = 1; times <= 5; times++) {
        await ask('a', { used: times * 4 })
        await ask('b', { ...wider, used: times * 4 })
        await subject.advance(300)
      }
      expect((await ask('a', { used: 20 })).used).toBe(40)
      expect((await ask('b', { ...wider, used: 20 })).used).toBe(40)
      await subject.advance(12_000)
      await ask('b', { ...wider, used: 20, usedKnown: 20 })
      expect(await ask('a', { used: 20, usedKnown: 20 })).toMatchObject({ used: 0, free: 100 })
    })

    it('counts as used what was held by a lease that lapsed', async () => {
      await begin()
      expect((await ask('a', { live: 10 })).live).toBe(10)
      await subject.advance(2_100)
      expect((await ask('b')).used).toBe(10)
      // and its permits are not valid any more, whatever it says
      expect((await ask('a', { held: 10, used: 0 })).kept).toBe(0)
    })

    it('takes permits back that are not stated any more', async () => {
      await begin()
      await ask('a', { live: 20 })
      expect((await ask('a', { held: 5 })).kept).toBe(5)
      expect((await ask('b')).free).toBe(95)
    })

    it('trusts no process that states more than it was granted', async () => {
      await begin()
      await ask('a', { live: 10 })
      expect((await ask('a', { held: 60 })).kept).toBe(10)
    })

    it('shares what is scarce among those who wait, and paces it', async () => {
      await begin()
      await ask('a', { used: 90 })
      await ask('b', { live: 40 })
      await subject.advance(10_400)
      const b = await ask('b', { live: 200 })
      const c = await ask('c', { live: 200 })
      expect(b.live).toBeLessThanOrEqual(20)
      expect(b.live + c.live).toBeLessThanOrEqual(20)
      expect(b.scarce).toBe(true)
      expect(b.retryInMs).toBeGreaterThan(0)
    })

    it('grants nothing that the first call could not use', async () => {
      await begin()
      await ask('a', { used: 70 })
      expect((await ask('b', { live: 50, liveLeast: 50 })).live).toBe(0)
      expect((await ask('b', { live: 25, liveLeast: 25 })).live).toBe(25)
    })

    it('lets background calls have what live ones and the reserve leave', async () => {
      await begin()
      await ask('a', { used: 60 })
      expect((await ask('b', { background: 40, reserved: 30 })).background).toBe(10)
    })

    it('takes back what was reported and not used, and never lets a later use go early', async () => {
      await begin()
      await ask('a', { used: 50 })
      await subject.advance(5_000)
      await ask('a', { used: 60, usedKnown: 50 })
      await ask('a', { used: 60, usedKnown: 60, returned: 20 })
      expect((await ask('b')).used).toBe(40)
      await subject.advance(5_200)
      expect((await ask('b')).used).toBe(10)
      await subject.advance(5_000)
      expect((await ask('b')).used).toBe(0)
    })

    it('counts strangers that the provider knows of, one way only', async () => {
      await begin()
      await ask('a', { used: 10 })
      await ask('a', { used: 10, providerUsed: 60 })
      expect((await ask('b')).used).toBe(60)
      await ask('a', { used: 10, providerUsed: 5 })
      expect((await ask('b')).used).toBe(60)
    })

    it('says that it has lost what it knew, grants nothing until all have told their history, and tells all', async () => {
      const generation = await begin()
      await ask('a', { used: 40, generation })
      await subject.wipe()
      await subject.pushed()
      const lost = await ask('a', { used: 40, usedKnown: 40, generation, live: 5 })
      expect(lost).toMatchObject({ status: 'lost', live: 0 })
      expect(lost.holdMs).toBeGreaterThan(2_000)
      expect(await subject.pushed()).toContainEqual({ kind: 'new', id, name: String(windowMs) })
      await ask('a', { used: 40, usedKnown: 40, history: [[1_000, 40]] })
      expect(await ask('b', { generation, live: 5 })).toMatchObject({ status: 'restate', live: 0 })
      await ask('b', { history: [[2_000, 30]] })
      await subject.advance(2_600)
      expect(await ask('a', { used: 40, usedKnown: 40, generation: lost.generation })).toMatchObject({
        status: 'same',
        used: 70,
        holdMs: 0,
      })
    })

    it('says again, as long as it grants nothing, that it has lost what it knew: one may have been cut off', async () => {
      const generation = await begin()
      await ask('a', { generation })
      await subject.wipe()
      const lost = await ask('a', { used: 40, usedKnown: 40, generation })
      await ask('a', { used: 40, usedKnown: 40, history: [[1_000, 40]] })
      await subject.pushed()
      const again = { kind: 'new', id, name: String(windowMs) }
      await ask('a', { used: 40, usedKnown: 40, generation: lost.generation })
      expect(await subject.pushed()).toEqual([again])
      await ask('b', { history: [] })
      expect(await subject.pushed()).toEqual([])
      await subject.advance(2_600)
      await ask('a', { used: 40, usedKnown: 40, generation: lost.generation })
      expect(await subject.pushed()).toEqual([])
    })

    it('grants nothing either until all have told, where a newcomer found it empty and the others come after', async () => {
      const generation = await begin()
      await ask('a', { used: 40, generation })
      await subject.wipe()
      expect(await ask('newcomer', { live: 1 })).toMatchObject({ status: 'created', live: 1 })
      await subject.advance(1_000)
      const { status, live, holdMs } = await ask('a', { used: 40, usedKnown: 40, generation, live: 5 })
      expect([status, live]).toEqual(['restate', 0])
      expect(holdMs).toBeGreaterThan(1_000)
      expect((await ask('newcomer', { live: 5 })).live).toBe(0)
      await subject.advance(2_600)
      // one that comes so late is known to have used nothing of the window that others count by now
      expect(await ask('c', { generation })).toMatchObject({ status: 'restate', holdMs: 0 })
    })

    it('tells once that permits are scarce', async () => {
      await begin()
      await subject.pushed()
      await ask('a', { used: 99 })
      await ask('b', { live: 10 })
      await ask('c', { live: 10 })
      expect(await subject.pushed()).toEqual([{ kind: 'scarce', id, name: String(windowMs) }])
    })

    it('keeps the longest cool-down of a key, tells each that is longer, and ends it', async () => {
      const { backend } = subject
      expect(await backend.cool(id, 2_000)).toBe(2_000)
      await subject.advance(500)
      expect(await backend.cool(id, 1_000)).toBe(1_500)
      expect(await backend.cool(id, 5_000)).toBe(5_000)
      expect(await backend.cooling()).toEqual([{ id, ms: 5_000 }])
      expect(await subject.pushed()).toEqual([
        { kind: 'cool', id, ms: 2_000 },
        { kind: 'cool', id, ms: 5_000 },
      ])
      await backend.clear(id)
      expect((await backend.cooling()).filter(({ ms }) => ms > 0)).toEqual([])
      expect(await subject.pushed()).toEqual([{ kind: 'clear', id }])
    })

    it('remembers that a cool-down was ended, for who missed it, until another one begins', async () => {
      const { backend } = subject
      await backend.cool(id, 60_000)
      await backend.clear(id)
      await subject.advance(500)
      expect(await backend.cooling()).toEqual([{ id, ms: 0, endedAgoMs: 500 }])
      await backend.cool(id, 1_000)
      expect(await backend.cooling()).toEqual([{ id, ms: 1_000 }])
      await backend.clear(id)
      await subject.advance(3_600_000)
      expect(await backend.cooling()).toEqual([])
    })

    it('forgets a cool-down when it is over', async () => {
      await subject.backend.cool(id, 2_000)
      await subject.advance(2_001)
      expect(await subject.backend.cooling()).toEqual([])
    })

    it('gives keys names that a store can hold, the same for the same', () => {
      const { backend } = subject
      expect(backend.idOf(id)).toBe(id)
      const strange = backend.idOf('a key {with} spaces')
      expect(strange).not.toContain(' ')
      expect(backend.idOf(strange)).toBe(strange)
    })
  })
}

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isError } from '../../../src/errors.ts'
import type { LimitBackend, LimitReply, LimitRequest } from '../../../src/rate-limit/shared/backend.ts'
import type { LimitDirectory } from '../../../src/rate-limit/store.ts'

interface LimitDirectoryFixture {
  readonly directory: LimitDirectory
  /** What processes exchange with, over the same server. */
  readonly backend: LimitBackend
  dispose(): Promise<void>
}

let keys = 0

/** What every implementation of the `LimitDirectory` port must do. */
export function limitDirectoryContract(name: string, make: () => Promise<LimitDirectoryFixture>): void {
  describe(`limit directory contract: ${name}`, () => {
    let fixture: LimitDirectoryFixture
    let key: string
    let sequence = 0

    beforeEach(async () => {
      fixture = await make()
      key = `https://directory-${++keys}.test`
    })
    afterEach(() => fixture.dispose())

    const exchange = async (by: string, given: Partial<LimitRequest> = {}): Promise<LimitReply> => {
      const request: LimitRequest = {
        by,
        id: fixture.backend.idOf(key),
        name: '60000',
        limit: 100,
        windowMs: 60_200,
        sequence: ++sequence,
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
        // longer than any pause of a busy machine
        leaseMs: 600_000,
        reserved: 0,
        generation: '',
        history: undefined,
        providerUsed: undefined,
        ...given,
      }
      const [reply] = await fixture.backend.exchange([request])
      if (reply === undefined || isError(reply)) throw reply ?? new Error('no reply')
      return reply
    }

    test('tells of each limit what is used, held and waited for, and by how many', async () => {
      const { generation } = await exchange('one', { used: 7, live: 2 })
      const { live } = await exchange('two', { generation, live: 150 })
      const [limit, ...others] = await fixture.directory.limits()
      expect(others).toEqual([])
      expect(limit).toEqual({
        key: fixture.backend.idOf(key),
        name: '60000',
        limit: 100,
        windowMs: 60_200,
        used: 7,
        held: 2 + live,
        waiting: 150 - live,
        processes: 2,
        holdMs: 0,
      })
    })

    test('tells the limits of a key, and of others, in one order, and changes nothing by it', async () => {
      const first = key
      await exchange('one', { used: 1 })
      await exchange('one', { used: 2, name: '1000', limit: 5, windowMs: 60_000 })
      key = `${first}/later`
      await exchange('one', { used: 3 })
      const told = await fixture.directory.limits()
      expect(told.map(({ key: of, name: which, limit, used }) => [of, which, limit, used])).toEqual([
        [first, '1000', 5, 2],
        [first, '60000', 100, 1],
        [`${first}/later`, '60000', 100, 3],
      ])
      expect(await fixture.directory.limits()).toEqual(told)
    })

    test('tells for how long nothing is granted, once what was known is lost', async () => {
      await exchange('one', { generation: 'of a server that is gone' })
      const [limit] = await fixture.directory.limits()
      expect(limit?.holdMs).toBeGreaterThanOrEqual(0)
      expect(limit?.holdMs).toBeLessThanOrEqual(2_500)
      expect(limit).toMatchObject({ used: 0, held: 0, processes: 1 })
    })

    test('has cool-downs beside them, which begin and end', async () => {
      const { directory } = fixture
      expect(await directory.list()).toEqual([])
      expect(await directory.cool(key, 600_000)).toBeGreaterThan(500_000)
      const [cooling] = await directory.list()
      expect(cooling).toEqual({ key, retryAfterMs: expect.any(Number) as unknown })
      // a shorter one takes nothing back
      expect(await directory.cool(key, 1_000)).toBeGreaterThan(400_000)
      await directory.clear(key)
      expect(await directory.list()).toEqual([])
      expect(await directory.limits()).toEqual([])
    })
  })
}

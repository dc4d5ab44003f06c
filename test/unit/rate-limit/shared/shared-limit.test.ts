import { beforeEach, describe, expect, it } from 'vitest'
import type { LimitRule } from '../../../../src/rate-limit/limit.ts'
import type { LimitReply, LimitRequest } from '../../../../src/rate-limit/shared/backend.ts'
import { SharedLimit } from '../../../../src/rate-limit/shared/shared-limit.ts'
import { VirtualClock } from '../../../support/simulation/virtual-clock.ts'

const rule: LimitRule = { limit: 100, intervalMs: 10_000, windowMs: 10_200, reserved: 0, cost: undefined }
const nothing = Array.from({ length: 10 }, () => 0)

/** A limit, and a server that the test plays: it grants what is asked for unless `answer` says otherwise. */
class Scene {
  readonly clock = new VirtualClock(1_000)
  readonly asked: LimitRequest[] = []
  answer: (request: LimitRequest) => Partial<LimitReply> | 'lost' = () => ({})
  readonly limit: SharedLimit
  readonly again: () => SharedLimit

  constructor() {
    const host = {
      by: 'a',
      exchangeSoon: (limit: SharedLimit): void => void this.clock.after(0, () => this.#exchange(limit)),
      changed: () => undefined,
      closed: () => undefined,
    }
    this.again = () => new SharedLimit({ id: 'key', name: '10000', rule, processes: 4 }, host, this.clock)
    this.limit = this.again()
  }

  #exchange(limit: SharedLimit): void {
    const request = limit.exchange.request()
    if (request === undefined) return
    const sentAt = this.clock.now()
    this.asked.push(request)
    const said = this.answer(request)
    if (said === 'lost') {
      this.clock.after(250, () => limit.exchange.failed(sentAt))
      return
    }
    const { held: kept, live, background, spare, used } = request
    const reply: LimitReply = {
      status: 'same',
      generation: 'one',
      kept,
      live,
      background,
      spare: Math.max(0, spare - kept),
      used,
      free: 100 - used,
      processes: 4,
      scarce: false,
      retryInMs: undefined,
      holdMs: 0,
      profile: nothing,
      ...said,
    }
    this.clock.after(1, () => limit.exchange.answered(request, reply, sentAt))
  }

  /** Uses one unit where there is a permit; waits for one else. */
  use(): boolean {
    const now = this.clock.now()
    const fits = this.limit.fits(1, now, false, false)
    const wanted = fits ? 0 : 1
    if (fits) this.limit.take(1, now, false)
    this.limit.want({ all: wanted, first: wanted }, { all: 0, first: 0 })
    return fits
  }

  /** Uses what there is. */
  useAll(): number {
    let used = 0
    while (this.limit.fits(1, this.clock.now(), false, false)) {
      this.limit.take(1, this.clock.now(), false)
      used += 1
    }
    return used
  }
}

let scene: Scene
beforeEach(() => {
  scene = new Scene()
})
const heldFor = (holdMs: number, used: number): Partial<LimitReply> => ({
  generation: 'two',
  kept: 0,
  live: 0,
  spare: 0,
  holdMs,
  used,
  profile: [used, ...nothing.slice(1)],
})

describe('a limit that processes share', () => {
  const traffic = async (perSecond: number, seconds: number): Promise<number> => {
    scene.asked.length = 0
    for (let call = 0; call < perSecond * seconds; call++) {
      scene.use()
      await scene.clock.advance(1_000 / perSecond)
    }
    return scene.asked.length / seconds
  }

  it('has little said of it while it is far from used, and nothing once it is idle', async () => {
    scene.answer = () => ({ free: 80, used: 10 })
    await traffic(4, 5)
    expect(await traffic(4, 20)).toBeLessThanOrEqual(1.2)
    await scene.clock.advance(30_000)
    scene.asked.length = 0
    await scene.clock.advance(60_000)
    expect(scene.asked).toEqual([])
  })

  it('has more said of it when little is left, since all must know what is used', async () => {
    scene.answer = () => ({ free: 20, used: 80 })
    await traffic(4, 5)
    expect(await traffic(4, 20)).toBeGreaterThan(2)
  })
})

describe('what a process holds ahead of use', () => {
  it('is renewed before its lease is over, also when there comes to be ample, and leases are longer', async () => {
    const leases: { at: number; leaseMs: number }[] = []
    scene.answer = ({ leaseMs }) => {
      leases.push({ at: scene.clock.now(), leaseMs })
      return leases.length === 1 ? { status: 'created', free: 20 } : {}
    }
    scene.use()
    await scene.clock.advance(5)
    scene.use()
    await scene.clock.advance(9_000)
    expect(leases.map(({ leaseMs }) => leaseMs)).toEqual(expect.arrayContaining([2_000, 5_100]))
    leases.slice(1).forEach(({ at }, n) => expect(at - leases[n]!.at).toBeLessThan(leases[n]!.leaseMs))
  })
})

describe('when the server has lost what it knew', () => {
  /** It knew that others had used 60 of the 100. */
  const known = async (): Promise<void> => {
    scene.answer = () => ({ used: 60, free: 40, profile: [60, ...nothing.slice(1)] })
    scene.use()
    await scene.clock.advance(10)
  }

  it('asks when it is told, and tells what it used when it is asked', async () => {
    await known()
    expect(scene.use()).toBe(true)
    scene.answer = (request) =>
      request.history === undefined ? { ...heldFor(2_000, 0), status: 'restate' } : heldFor(2_000, 61)
    scene.asked.length = 0
    scene.limit.exchange.heard('new')
    await scene.clock.advance(50)
    expect(scene.asked.map(({ history }) => history?.map(([, units]) => units))).toEqual([undefined, [1]])
    // said again, as long as it is held back: it has told all
    scene.limit.exchange.heard('new')
    await scene.clock.advance(50)
    expect(scene.asked).toHaveLength(2)
  })

  it('asks when messages arrive again, since it may have missed it', async () => {
    await known()
    scene.use()
    scene.asked.length = 0
    scene.limit.exchange.subscribed()
    await scene.clock.advance(1)
    expect(scene.asked).toHaveLength(1)
  })

  it('goes on with its share of what all have told, as soon as that is less than what it knew', async () => {
    await known()
    scene.answer = () => heldFor(2_000, 96)
    scene.limit.exchange.heard('new')
    await scene.clock.advance(10)
    expect(scene.limit.degraded).toBe(true)
    // a quarter of the 4 that are left
    expect(scene.useAll()).toBe(1)
  })

  it('asks again soon when a message is lost meanwhile: what its share is used for must be known before the end', async () => {
    await known()
    scene.answer = () => heldFor(2_000, 61)
    scene.limit.exchange.heard('new')
    await scene.clock.advance(10)
    scene.answer = () => 'lost'
    await scene.clock.advance(450)
    scene.asked.length = 0
    scene.answer = () => heldFor(1_000, 61)
    await scene.clock.advance(320)
    expect(scene.asked.length).toBeGreaterThan(0)
  })

  it('lets a newcomer use nothing at once: what was used before it is not known', async () => {
    scene.answer = () => heldFor(2_000, 0)
    scene.use()
    await scene.clock.advance(10)
    expect(scene.limit.degraded).toBe(true)
    expect(scene.useAll()).toBe(0)
    await scene.clock.advance(1_100)
    // a tenth of its quarter
    expect(scene.useAll()).toBeLessThanOrEqual(3)
  })

  it('counts in an outage the processes that were idle when it was last heard', async () => {
    await known()
    scene.answer = () => ({ processes: 1, used: 0, free: 100 })
    await scene.clock.advance(5_000)
    scene.answer = () => 'lost'
    scene.useAll()
    scene.use()
    await scene.clock.advance(1_500)
    expect(scene.limit.degraded).toBe(true)
    expect(scene.limit.available(scene.clock.now())).toBeGreaterThan(0)
    expect(scene.useAll()).toBeLessThanOrEqual(25)
  })
})

describe('a call that costs nothing of a limit', () => {
  it('waits for none of it, though the store is out of reach and the share is overdrawn', async () => {
    scene.answer = () => 'lost'
    scene.use()
    await scene.clock.advance(2_000)
    expect(scene.limit.degraded).toBe(true)
    scene.useAll()
    scene.limit.charge(5, scene.clock.now())
    const now = scene.clock.now()
    expect(scene.limit.fits(0, now, false, false)).toBe(true)
    expect(scene.limit.fits(0, now, true, true)).toBe(true)
    expect(scene.limit.retryAt(0, now)).toBe(now)
    expect(scene.limit.knownWait(0, now)).toBe(0)
    expect(scene.limit.fits(1, now, false, false)).toBe(false)
  })
})

describe('a limit that is made again, after its key was forgotten', () => {
  it('is not taken for an overtaken one by the server, which knows the process', async () => {
    scene.use()
    await scene.clock.advance(500)
    scene.limit.charge(1, scene.clock.now())
    await scene.clock.advance(500)
    scene.limit.close()
    const last = scene.asked.at(-1)!.sequence
    expect(scene.again().exchange.request()!.sequence).toBeGreaterThan(last)
  })

  it('may be forgotten once all is told, and its lease over: the server would count from what it knows of that', async () => {
    expect(scene.limit.forgettable(scene.clock.now())).toBe(true)
    scene.use()
    await scene.clock.advance(1_000)
    scene.use()
    expect(scene.limit.forgettable(scene.clock.now())).toBe(false)
    await scene.clock.advance(12_000)
    expect(scene.limit.forgettable(scene.clock.now())).toBe(false)
    await scene.clock.advance(60_000)
    expect(scene.limit.forgettable(scene.clock.now())).toBe(true)
  })

  it('is not forgotten while the store is out of reach and its share is used', async () => {
    scene.answer = () => 'lost'
    scene.use()
    await scene.clock.advance(2_000)
    scene.useAll()
    await scene.clock.advance(5_000)
    expect(scene.limit.forgettable(scene.clock.now())).toBe(false)
  })
})

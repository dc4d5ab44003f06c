import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStore } from '../../../src/entries/sqlite.ts'
import type { DeadLetterStore } from '../../../src/index.ts'
import type { ProviderOptions } from '../../../src/providers/hubspot.ts'
import type { Evidence } from './evidence.ts'
import type { FakeProvider } from './fakes/fake-provider.ts'
import type { ProviderCase } from './provider-case.ts'

type Client = ReturnType<ProviderCase['client']>
type Letter = NonNullable<Awaited<ReturnType<DeadLetterStore['get']>>>

/** What a provider's tests added up to. */
export interface Tally {
  requests: number
  retries: number
  limits: number
  early: number
  deadLetters: number
  duplicates: number
  from: number
  to: number
}

export function newTally(): Tally {
  return {
    requests: 0,
    retries: 0,
    limits: 0,
    early: 0,
    deadLetters: 0,
    duplicates: 0,
    from: Infinity,
    to: 0,
  }
}

export interface Scene {
  fake: FakeProvider
  client: Client
  /** The error of a call that must fail. */
  failure: (call: Promise<unknown>) => Promise<Failure>
  /** What was captured, after everything is written down: closes the client. */
  letters: () => Promise<Letter[]>
}

export type Failure = Error & Record<string, unknown>

/** A fake and a client of one provider for one test; whatever they leave behind goes to `evidence` and `tally`. */
export async function scene(
  one: ProviderCase,
  evidence: Evidence,
  tally: Tally,
  options: ProviderOptions & { stranger?: boolean },
  play: (scene: Scene) => Promise<void>,
): Promise<void> {
  const { stranger = false, ...own } = options
  const fake = await one.fake().start()
  const directory = await mkdtemp(join(tmpdir(), 'provider-'))
  const store = sqliteStore(join(directory, 'dead-letters.db'))
  tally.from = Math.min(tally.from, performance.now())
  const make = (given: ProviderOptions): Client => (stranger ? one.stranger(given) : one.client(given))
  const client = make({
    baseUrl: fake.baseUrl,
    store,
    logger: evidence.logger((line) => {
      if (line.startsWith('retry scheduled')) tally.retries += 1
    }),
    ...own,
    // waits of our own are short here; waits that the provider asks for stay as they are
    ...(own.retry === false
      ? {}
      : { retry: { initialBackoffMs: 150, jitter: 'none' as const, ...own.retry } }),
  })
  try {
    await play({
      fake,
      client,
      async failure(call) {
        try {
          await call
        } catch (error) {
          evidence.add(error, JSON.stringify(error))
          return error as Failure
        }
        throw new Error('the call was to fail, and did not')
      },
      async letters() {
        await client.close()
        const { items } = await store.deadLetters.list()
        return Promise.all(items.map(async ({ id }) => (await store.deadLetters.get(id)) as Letter))
      },
    })
  } finally {
    await client.close()
    tally.deadLetters += await evidence.addStore(store)
    tally.requests += fake.requests.length
    tally.limits += fake.limitsSent
    tally.early += fake.early
    tally.duplicates += fake.duplicates
    tally.to = performance.now()
    await store.close()
    await fake.close()
    // also what the store forgot and the file may still hold
    for (const file of await readdir(directory)) evidence.add(await readFile(join(directory, file), 'latin1'))
    await rm(directory, { recursive: true })
  }
}

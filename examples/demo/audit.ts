import type { Application, CallResult, Kind } from './application.ts'
import type { Provider } from './provider.ts'
import { table } from './table.ts'
import { paint } from './timeline.ts'

/** What the provider's books say about what the application asked for. */
export interface Audit {
  writes: number
  /** Writes that the provider does not have. */
  lost: string[]
  /** Orders that it carried out more than once. */
  duplicates: string[]
  /** Documents whose bytes are not those that were sent. */
  corrupted: string[]
}

export function audit(application: Application, provider: Provider): Audit {
  const { orders, documents } = application
  return {
    writes: orders.size + documents.size,
    lost: [
      ...[...orders].filter((id) => !provider.orders.has(id)),
      ...[...documents.keys()].filter((id) => !provider.documents.has(id)),
    ],
    duplicates: [...orders].filter((id) => (provider.orders.get(id) ?? 0) > 1),
    corrupted: [...documents]
      .filter(([id, hash]) => provider.documents.has(id) && provider.documents.get(id) !== hash)
      .map(([id]) => id),
  }
}

export interface Books {
  application: Application
  /** Labels of the calls that were retried. */
  retried: ReadonlySet<string>
  /** Labels of the dead letters, and of those that a replay brought through. */
  deadLetters: ReadonlySet<string>
  replayed: ReadonlySet<string>
  audit: Audit
}

const columns: readonly [title: string, kind?: Kind][] = [
  ['GET contacts', 'GET'],
  ['POST orders', 'POST'],
  ['PUT documents', 'PUT'],
  ['all'],
]

/** The table at the end of the day. */
export function balance({ application, retried, deadLetters, replayed, audit: found }: Books): string {
  const lost = new Set(found.lost)
  const measures: [string, (call: CallResult) => boolean][] = [
    ['calls', () => true],
    ['ok at first', ({ id, result }) => result === 'ok' && !retried.has(id)],
    ['rescued by retry', ({ id, result }) => result === 'ok' && retried.has(id)],
    ['refused by the circuit', ({ result }) => result === 'refused'],
    ['gave up', ({ result }) => result === 'failed'],
    ['dead-lettered', ({ id }) => deadLetters.has(id)],
    ['replayed', ({ id }) => replayed.has(id)],
    ['lost', ({ id }) => lost.has(id)],
  ]
  return table(
    ['', ...columns.map(([title]) => title)],
    measures.map(([title, test]) => [
      title,
      ...columns.map(([, kind]) => {
        const calls = application.results.filter((call) => kind === undefined || call.kind === kind)
        const count = calls.filter(test).length
        return title === 'lost' ? paint(count === 0 ? 'green' : 'red', String(count)) : count
      }),
    ]),
  )
}

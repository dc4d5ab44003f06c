import { replacementId } from '../../../dead-letter/id.ts'
import { DeadLetterFormatError } from '../../../dead-letter/record/json.ts'
import type { DeadLetterRecord } from '../../../dead-letter/record/record.ts'
import type { DeadLetterStore } from '../../../dead-letter/store/store.ts'
import { bytesText } from '../../bytes-text.ts'
import { boundedLines, type InputLine } from './bounded-lines.ts'
import { importedRecord } from './imported-record.ts'

const BATCH = 100
const BATCH_BYTES = 8 * 1024 * 1024

/** What became of the lines so far. */
export interface ImportTotals {
  /** New in the store, in quarantine. */
  imported: number
  /** Were in the store already. */
  known: number
  /** Were replayed or discarded in the store before: such an id does not come back. */
  settled: number
  /** Found no room. */
  refused: number
  /** Could not be read. */
  invalid: number
}

/** A line that could not be read. */
export interface InvalidLine {
  readonly number: number
  readonly why: 'too-long' | 'malformed'
  readonly message: string
}

export interface ImportOptions {
  /** Gives every entry a new id, that sorts as its own did. */
  readonly newIds: boolean
  /** Longer lines are invalid. */
  readonly maxLineBytes: number
  /** Ends the import; what was read is stored. */
  readonly signal: AbortSignal
  readonly onInvalid: (line: InvalidLine) => void
  readonly onProgress?: (totals: Readonly<ImportTotals>) => void
}

/**
 * Reads entries from NDJSON, as an export writes it, into quarantine, where they wait for a person. Every line is
 * checked; what is wrong with one is told, and the rest goes on.
 */
export async function importEntries(
  store: DeadLetterStore,
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportTotals> {
  const batch = new ImportBatch(store, options)
  for await (const line of boundedLines(source, options.maxLineBytes)) {
    if (options.signal.aborted) break
    const record = recordOfLine(line, options)
    if (record === undefined) batch.totals.invalid++
    else await batch.take(record)
  }
  await batch.flush()
  return batch.totals
}

function recordOfLine(
  line: InputLine,
  { maxLineBytes, newIds, onInvalid }: ImportOptions,
): DeadLetterRecord | undefined {
  const { number } = line
  if ('tooLong' in line) {
    onInvalid({ number, why: 'too-long', message: `longer than ${bytesText(maxLineBytes)}` })
    return undefined
  }
  try {
    const record = importedRecord(line.text)
    if (!newIds) return record
    if (record.sealed !== undefined) throw new DeadLetterFormatError('a sealed entry cannot get a new id')
    return { ...record, id: replacementId(record) }
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    onInvalid({ number, why: 'malformed', message: error.message })
    return undefined
  }
}

/** Adds records many at a time, and counts what became of them. */
class ImportBatch {
  readonly totals: ImportTotals = { imported: 0, known: 0, settled: 0, refused: 0, invalid: 0 }
  readonly #store: DeadLetterStore
  readonly #options: ImportOptions
  #records: DeadLetterRecord[] = []
  #bytes = 0

  constructor(store: DeadLetterStore, options: ImportOptions) {
    this.#store = store
    this.#options = options
  }

  async take(record: DeadLetterRecord): Promise<void> {
    this.#records.push(record)
    this.#bytes += (record.request.body?.byteLength ?? 0) + (record.sealed?.data?.byteLength ?? 0)
    if (this.#records.length >= BATCH || this.#bytes >= BATCH_BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    const records = this.#records
    if (records.length === 0) return
    this.#records = []
    this.#bytes = 0
    const added = await this.#store.add(records, { status: 'quarantined', note: 'imported' })
    const { totals } = this
    totals.imported += added.kept.length - added.duplicates
    totals.known += added.duplicates
    totals.settled += added.settled.length
    totals.refused += added.refused.length
    this.#options.onProgress?.(totals)
  }
}

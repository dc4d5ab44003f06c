import { createReadStream } from 'node:fs'
import { once } from 'node:events'
import type { Command } from 'commander'
import { deadLetterId } from '../../dead-letter/id.ts'
import { DeadLetterFormatError } from '../../dead-letter/record-json.ts'
import type { DeadLetterRecord } from '../../dead-letter/record.ts'
import type { DeadLetterStore } from '../../dead-letter/store.ts'
import { boundedLines, type InputLine } from '../bounded-lines.ts'
import { bytesText } from '../bytes-text.ts'
import { CliError } from '../cli-error.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  someFailed,
  withStore,
} from '../command-context.ts'
import { timeOfId } from '../edited-record.ts'
import { integerOf } from '../filter-options.ts'
import { importedRecord } from '../imported-record.ts'

interface ImportOptions extends CommonOptions {
  newIds?: boolean
  maxLineBytes: number
}

const BATCH = 100
const BATCH_BYTES = 8 * 1024 * 1024

const examples = `
Every line is checked; what is wrong with one is said, and the rest goes on. Imported entries are quarantined until a
person brings them back: see requeue and replay. An id that the store already has is not added twice; one that was
replayed or discarded there does not come back, unless --new-ids gives it another.

Examples:
  $ undici-resilience dead-letters import dead-letters.ndjson
  $ gunzip -c backup.ndjson.gz | undici-resilience dead-letters import -
`

export function addImportCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('import')
    .description('Read entries from NDJSON, as export writes it, into quarantine.')
    .argument('<file>', 'a file, or - for standard input')
    .option('--new-ids', 'give every entry a new id')
    .option(
      '--max-line-bytes <n>',
      'refuse longer lines',
      integerOf(1024, 128 * 1024 * 1024),
      16 * 1024 * 1024,
    )
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'the result as one JSON object')
  command.action(async (path: string, options: ImportOptions) => {
    const { terminal } = context
    const source = await openInput(path)
    await withStore(
      options,
      async ({ deadLetters }) => {
        const batch = new ImportBatch(deadLetters, context)
        for await (const line of boundedLines(source, options.maxLineBytes)) {
          if (context.signal.aborted) break
          const record = readLine(line, options, context)
          if (record === undefined) batch.totals.invalid++
          else await batch.take(record)
        }
        await batch.flush()
        const { imported, known, settled, refused, invalid } = batch.totals
        if (options.json === true) terminal.json(batch.totals)
        else terminal.line(`${imported} imported into quarantine, ${known} known already`)
        if (settled > 0) terminal.note(`${settled} not imported: replayed or discarded before; see --new-ids`)
        if (refused > 0) terminal.note(`${refused} not imported: the store has no room`)
        if (invalid > 0) terminal.note(`${invalid} not imported: not valid`)
        if (settled + refused + invalid > 0) someFailed(context)
      },
      true,
    )
  })
}

async function openInput(path: string): Promise<AsyncIterable<Uint8Array>> {
  if (path === '-') return process.stdin
  const file = createReadStream(path)
  try {
    await once(file, 'open')
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`)
  }
  return file
}

function readLine(
  line: InputLine,
  options: ImportOptions,
  { terminal }: CommandContext,
): DeadLetterRecord | undefined {
  if ('tooLong' in line) {
    terminal.note(`line ${line.number}: longer than ${bytesText(options.maxLineBytes)} (--max-line-bytes)`)
    return undefined
  }
  try {
    const record = importedRecord(line.text)
    if (options.newIds !== true) return record
    if (record.sealed !== undefined) throw new DeadLetterFormatError('a sealed entry cannot get a new id')
    return { ...record, id: deadLetterId(timeOfId(record.id) ?? record.timestamp) }
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    terminal.note(`line ${line.number}: ${error.message}`)
    return undefined
  }
}

/** Adds records many at a time, and counts what became of them. */
class ImportBatch {
  readonly totals = { imported: 0, known: 0, settled: 0, refused: 0, invalid: 0 }
  readonly #store: DeadLetterStore
  readonly #context: CommandContext
  #records: DeadLetterRecord[] = []
  #bytes = 0

  constructor(store: DeadLetterStore, context: CommandContext) {
    this.#store = store
    this.#context = context
  }

  async take(record: DeadLetterRecord): Promise<void> {
    this.#records.push(record)
    this.#bytes += record.request.body?.byteLength ?? 0
    if (this.#records.length >= BATCH || this.#bytes >= BATCH_BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    const records = this.#records
    if (records.length === 0) return
    this.#records = []
    this.#bytes = 0
    const note = 'imported'
    const { kept, duplicates, settled, refused } = await this.#store.add(records, {
      status: 'quarantined',
      note,
    })
    const { totals } = this
    totals.imported += kept.length - duplicates
    totals.known += duplicates
    totals.settled += settled.length
    totals.refused += refused.length
    this.#context.terminal.status(`${totals.imported} imported`)
  }
}

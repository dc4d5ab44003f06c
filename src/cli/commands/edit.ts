import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import { deadLetterId } from '../../dead-letter/id.ts'
import { DeadLetterFormatError } from '../../dead-letter/record-json.ts'
import type { DeadLetter, DeadLetterRecord } from '../../dead-letter/record.ts'
import type { DeadLetterStore } from '../../dead-letter/store.ts'
import { CliError, exitCodes } from '../cli-error.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  withStore,
} from '../command-context.ts'
import { editOf, type EditOptions } from '../edit-options.ts'
import { editedRecord, timeOfId } from '../edited-record.ts'
import { entryToJson } from '../entry-json.ts'
import { entryLines } from '../entry-lines.ts'
import { collect } from '../filter-options.ts'
import { shownEntry } from '../shown-entry.ts'
import { readEntry } from './show.ts'

interface Options extends CommonOptions, EditOptions {
  requeue?: boolean
  yes?: boolean
}

const examples = `
The entry is replaced by an edited copy with a new id, and a new idempotency key where it had one: for the provider it
is another request. The copy is quarantined until it is replayed by its id, or requeued.

--file holds JSON: { "url": "/v2/contacts", "method": "PUT", "headers": { "x-new": "1", "x-old": null }, "body": {...} }

Examples:
  $ undici-resilience dead-letters edit 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3 --url /v2/contacts --requeue
  $ undici-resilience dead-letters edit 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3 --body-file fixed.json --yes
`

export function addEditCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('edit')
    .description('Change the request of an entry before it is replayed.')
    .argument('<id>', 'its id, as list shows it')
    .option('--url <url>', 'another url, or another path of the same origin')
    .option('--method <method>', 'another method')
    .option('--header <name: value>', 'set a header; may be repeated', collect)
    .option('--remove-header <name>', 'remove a header; may be repeated', collect)
    .option('--body <text>', 'another body')
    .option('--body-file <file>', 'another body, byte for byte')
    .option('--no-body', 'no body')
    .option('--file <file>', 'the changes as JSON')
    .option('--requeue', 'let the copy be replayed with the others')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'the copy as JSON')
  command.action(async (id: string, options: Options) => {
    const { terminal } = context
    // commander makes --no-body the default of --body: true
    const edit = await editOf({
      ...options,
      body: (options.body as string | boolean) === true ? undefined : options.body,
    } as EditOptions)
    await withStore(options, async ({ deadLetters }) => {
      const entry = await readEntry(deadLetters, id, context)
      if (entry === undefined) return
      const record = edited(entry, edit)
      await terminal.confirm(`Replace ${id} by its edited copy?`, options.yes === true)
      await replace(deadLetters, entry, record)
      if (options.requeue === true && (await deadLetters.requeue([record.id])) === 0) {
        terminal.note('The copy stays in quarantine: it is not replayable as it is.')
      }
      const copy = await deadLetters.get(record.id)
      if (copy === undefined) return terminal.note(`${record.id} was replayed or discarded already`)
      const shown = shownEntry(copy)
      if (options.json === true) terminal.json(entryToJson(shown))
      else terminal.lines(entryLines(shown, context.now()))
    })
  })
}

function edited(entry: DeadLetter, edit: Parameters<typeof editedRecord>[1]): DeadLetterRecord {
  try {
    // Ids sort by time, and entries with an ordering key are sent in that order: the copy takes its original's place.
    const id = deadLetterId(timeOfId(entry.id) ?? entry.timestamp)
    return editedRecord(entry, edit, { id, idempotencyKey: randomUUID() })
  } catch (error) {
    if (error instanceof DeadLetterFormatError)
      throw new CliError(`the edited entry could not be sent: ${error.message}`)
    throw error
  }
}

/**
 * First the copy, in quarantine, where no replayer takes it, then the original: whatever happens between, nothing is
 * lost, and nothing is sent twice without a person.
 */
async function replace(store: DeadLetterStore, entry: DeadLetter, copy: DeadLetterRecord): Promise<void> {
  const note = `edited from ${entry.id}`
  const { kept, evicted } = await store.add([copy], { status: 'quarantined', note })
  if (!kept.includes(copy.id))
    throw new CliError('the store has no room for the edited copy', exitCodes.someFailed)
  if (evicted.includes(entry.id) || (await store.discard([entry.id])) === 1) return
  await store.discard([copy.id])
  throw new CliError(
    `${entry.id} is being sent now, or was replayed meanwhile: it was not edited`,
    exitCodes.someFailed,
  )
}

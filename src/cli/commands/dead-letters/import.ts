import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import type { Command } from 'commander'
import { importEntries } from '../../../operations/entries/import/import-entries.ts'
import { integerOf } from '../../arguments/filter-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import { CliError } from '../../cli-error.ts'
import type { CommandContext } from '../../command-context.ts'

interface ImportOptions extends CommonOptions {
  newIds?: boolean
  maxLineBytes: number
}

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
  addStoreOptions(command, 'the result as one JSON object')
  command.action(async (path: string, options: ImportOptions) => {
    const { terminal } = context
    const source = await openInput(path)
    await context.withStore(
      options,
      async ({ deadLetters }) => {
        const totals = await importEntries(deadLetters, source, {
          newIds: options.newIds === true,
          maxLineBytes: options.maxLineBytes,
          signal: context.signal,
          onInvalid: ({ number, why, message }) =>
            terminal.note(`line ${number}: ${message}${why === 'too-long' ? ' (--max-line-bytes)' : ''}`),
          onProgress: ({ imported }) => terminal.status(`${imported} imported`),
        })
        const { imported, known, settled, refused, invalid } = totals
        if (options.json === true) terminal.json(totals)
        else terminal.line(`${imported} imported into quarantine, ${known} known already`)
        if (settled > 0) terminal.note(`${settled} not imported: replayed or discarded before; see --new-ids`)
        if (refused > 0) terminal.note(`${refused} not imported: the store has no room`)
        if (invalid > 0) terminal.note(`${invalid} not imported: not valid`)
        if (settled + refused + invalid > 0) context.someFailed()
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

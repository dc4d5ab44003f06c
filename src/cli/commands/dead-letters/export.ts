import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { Command } from 'commander'
import { entryToJson } from '../../../dead-letter/message/entry-json.ts'
import { entriesWithBodies } from '../../../operations/entries/read-entry.ts'
import { addFilterOptions, type FilterOptions, filterOf, integerOf } from '../../arguments/filter-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import { CliError } from '../../cli-error.ts'
import type { CommandContext } from '../../command-context.ts'
import { safeJson } from '../../terminal/terminal-safe.ts'

interface ExportOptions extends CommonOptions, FilterOptions {
  limit?: number
  output?: string
}

const examples = `
One entry per line as JSON, with its body (as text, or base64 where it is none). An export holds what the store holds:
personal data in bodies included. Keep it as safely as the store. Entries stay where they are.

Examples:
  $ undici-resilience dead-letters export --output dead-letters.ndjson
  $ undici-resilience dead-letters export --integration hubspot --from 1d > hubspot.ndjson
`

export function addExportCommand(parent: Command, context: CommandContext): void {
  const command = parent.command('export').description('Write entries as NDJSON that import reads.')
  addFilterOptions(command)
    .option('--limit <n>', 'at most so many, the newest', integerOf(1))
    .option('--output <file>', 'a new file, readable by its owner only; default: standard output')
    .addHelpText('after', examples)
  addStoreOptions(command)
  command.action(async (options: ExportOptions) => {
    const { terminal } = context
    const filter = filterOf(options, context.now()) ?? {}
    await context.withStore(options, async ({ deadLetters }) => {
      const file = options.output === undefined ? undefined : await newFile(options.output)
      let count = 0
      const entries = entriesWithBodies(
        deadLetters,
        filter,
        options.limit ?? Infinity,
        context.noteUnreadable,
      )
      for await (const entry of entries) {
        if (context.signal.aborted) break
        if (file === undefined) {
          terminal.json(entryToJson(entry))
          await terminal.drained()
        } else if (!file.write(`${safeJson(entryToJson(entry))}\n`)) await once(file, 'drain')
        terminal.status(`${++count} exported`)
      }
      file?.end()
      if (file !== undefined) await finished(file)
      terminal.note(`${count} exported${options.output === undefined ? '' : ` to ${options.output}`}`)
      context.noteInterrupted('there are more.')
    })
  })
}

async function newFile(path: string): Promise<WriteStream> {
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600 })
  try {
    await once(file, 'open')
  } catch (error) {
    throw new CliError(`cannot write ${path}: ${(error as Error).message}`)
  }
  return file
}

import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { entryToJson } from '../../../dead-letter/message/entry-json.ts'
import type { DeadLetter } from '../../../dead-letter/record/record.ts'
import { readEntry } from '../../../operations/entries/read-entry.ts'
import { shownEntry } from '../../../operations/entries/shown-entry.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import { CliError, exitCodes } from '../../cli-error.ts'
import type { CommandContext } from '../../command-context.ts'
import { entryLines } from '../../terminal/entry-lines.ts'

interface ShowOptions extends CommonOptions {
  saveBody?: string
}

const examples = `
Examples:
  $ undici-resilience dead-letters show 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3
  $ undici-resilience dead-letters show 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3 --save-body body.bin
  $ undici-resilience dead-letters show 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3 --json | jq .error
`

export function addShowCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('show')
    .description('Show entries whole: request, response, error, every attempt and replay.')
    .argument('<ids...>', 'ids, as list shows them')
    .option('--save-body <file>', 'write the body of the one entry to a new file, byte for byte')
    .addHelpText('after', examples)
  addStoreOptions(command, 'one entry per line as JSON')
  command.action(async (ids: string[], options: ShowOptions) => {
    const { terminal } = context
    if (options.saveBody !== undefined && ids.length !== 1) throw new CliError('--save-body goes with one id')
    await context.withStore(options, async ({ deadLetters }) => {
      for (const [at, id] of ids.entries()) {
        const entry = await context.unlessRefused(readEntry(deadLetters, id))
        if (entry === undefined) continue
        const shown = shownEntry(entry)
        if (options.json === true) terminal.json(entryToJson(shown))
        else terminal.lines([...(at === 0 ? [] : ['']), ...entryLines(shown, context.now())])
        if (options.saveBody !== undefined) await saveBody(entry, options.saveBody)
      }
    })
  })
}

async function saveBody({ id, request, sealed }: DeadLetter, file: string): Promise<void> {
  if (request.body === undefined) {
    throw new CliError(
      `${id} has no body ${sealed === undefined ? 'here' : 'in the open: it is sealed'}`,
      exitCodes.someFailed,
    )
  }
  try {
    await writeFile(file, request.body, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    throw new CliError(`cannot write ${file}: ${(error as Error).message}`)
  }
}

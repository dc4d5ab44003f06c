import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { DeadLetterFormatError } from '../../dead-letter/record-json.ts'
import type { DeadLetter } from '../../dead-letter/record.ts'
import type { DeadLetterStore } from '../../dead-letter/store.ts'
import { CliError, exitCodes } from '../cli-error.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  someFailed,
  withStore,
} from '../command-context.ts'
import { entryLines } from '../entry-lines.ts'
import { entryToJson } from '../entry-json.ts'
import { shownEntry } from '../shown-entry.ts'

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
  addJsonOption(addStoreOptions(command), 'one entry per line as JSON')
  command.action(async (ids: string[], options: ShowOptions) => {
    const { terminal } = context
    if (options.saveBody !== undefined && ids.length !== 1) throw new CliError('--save-body goes with one id')
    await withStore(options, async ({ deadLetters }) => {
      for (const [at, id] of ids.entries()) {
        const entry = await readEntry(deadLetters, id, context)
        if (entry === undefined) continue
        const shown = shownEntry(entry)
        if (options.json === true) terminal.json(entryToJson(shown))
        else terminal.lines([...(at === 0 ? [] : ['']), ...entryLines(shown, context.now())])
        if (options.saveBody !== undefined) await saveBody(entry, options.saveBody)
      }
    })
  })
}

/** The entry; `undefined`, and said on stderr, when there is none or it cannot be read. */
export async function readEntry(
  store: DeadLetterStore,
  id: string,
  context: CommandContext,
): Promise<DeadLetter | undefined> {
  try {
    const entry = await store.get(id)
    if (entry !== undefined) return entry
    context.terminal.note(`${id}: there is no such entry`)
  } catch (error) {
    if (!(error instanceof DeadLetterFormatError)) throw error
    context.terminal.note(error.message.includes(id) ? error.message : `${id}: ${error.message}`)
  }
  someFailed(context)
  return undefined
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

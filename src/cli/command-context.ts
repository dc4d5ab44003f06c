import { type Command, Option } from 'commander'
import { type ExitCode, exitCodes } from './cli-error.ts'
import { openStore, type OpenedStore, type StoreOptions } from './open-store.ts'
import { STORE_VARIABLE } from './store-url.ts'
import type { Terminal } from './terminal.ts'

/** What every command is handed. */
export interface CommandContext {
  readonly terminal: Terminal
  readonly environment: NodeJS.ProcessEnv
  /** Ctrl-C, SIGTERM, or the reader of the output went away. */
  readonly signal: AbortSignal
  now(): number
  /** What the process ends with, unless the command throws. */
  exitCode: ExitCode
}

export interface CommonOptions extends StoreOptions {
  json?: boolean
}

export function addStoreOptions(command: Command): Command {
  return command
    .addOption(new Option('--store <url>', 'redis://, rediss:// or sqlite:path').env(STORE_VARIABLE))
    .option(
      '--prefix <prefix>',
      'the `prefix` of redisStore, after the keyPrefix of its client',
      'undici-resilience',
    )
}

export function addJsonOption(command: Command, what: string): Command {
  return command.option('--json', what)
}

/** Marks the command as done in part. */
export function someFailed(context: CommandContext): void {
  if (context.exitCode === exitCodes.ok) context.exitCode = exitCodes.someFailed
}

/** Why the signal is aborted when `| head` has had enough: whoever reads no more misses nothing. */
export const READER_GONE = 'the reader of the output went away'

/** Says that what was printed is not all, where the command was interrupted. */
export function tellInterrupted(context: CommandContext, what: string): void {
  if (!context.signal.aborted || context.signal.reason === READER_GONE) return
  context.terminal.note(`Interrupted: ${what}`)
  context.exitCode = exitCodes.interrupted
}

/** Opens the store for the time of `work`. */
export async function withStore<T>(
  options: StoreOptions,
  work: (store: OpenedStore) => Promise<T>,
  mayCreate = false,
): Promise<T> {
  const store = await openStore(options, mayCreate)
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

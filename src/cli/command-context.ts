import type { CorruptDeadLetter } from '../dead-letter/store/store.ts'
import { OperationError } from '../operations/operation-error.ts'
import { openStore, type OpenedStore } from '../operations/stores/open-store.ts'
import { storeOf, type StoreOptions } from './arguments/store-options.ts'
import { type ExitCode, exitCodes } from './cli-error.ts'
import type { Terminal } from './terminal/terminal.ts'

/** Why the signal is aborted when the reader of a pipe (`| head`) has closed it: nobody misses the rest. */
export const READER_GONE = 'the reader of the output went away'

/** What every command is handed. */
export class CommandContext {
  readonly terminal: Terminal
  readonly environment: NodeJS.ProcessEnv
  /** Ctrl-C, SIGTERM, or the reader of the output went away. */
  readonly signal: AbortSignal
  /** What the process ends with, unless the command throws. */
  exitCode: ExitCode = exitCodes.ok

  constructor(terminal: Terminal, environment: NodeJS.ProcessEnv, signal: AbortSignal) {
    this.terminal = terminal
    this.environment = environment
    this.signal = signal
  }

  now(): number {
    return Date.now()
  }

  /** Marks the command as done in part. */
  someFailed(): void {
    if (this.exitCode === exitCodes.ok) this.exitCode = exitCodes.someFailed
  }

  /** Says of an entry that it cannot be read: the command goes on, and is done in part. */
  readonly noteUnreadable = ({ id, message }: CorruptDeadLetter): void => {
    this.terminal.note(`${id} cannot be read: ${message}`)
    this.someFailed()
  }

  /** The result of an operation on one entry of several; says why when it was refused, and the command goes on. */
  async unlessRefused<T>(operation: Promise<T>): Promise<T | undefined> {
    try {
      return await operation
    } catch (error) {
      if (!(error instanceof OperationError) || error.kind !== 'refused') throw error
      this.terminal.note(error.message)
      this.someFailed()
      return undefined
    }
  }

  /** Says that what was printed is not all, where the command was interrupted. */
  noteInterrupted(what: string): void {
    if (!this.signal.aborted || this.signal.reason === READER_GONE) return
    this.terminal.note(`Interrupted: ${what}`)
    this.exitCode = exitCodes.interrupted
  }

  /** Opens the store for the time of `work`. */
  async withStore<T>(
    options: StoreOptions,
    work: (store: OpenedStore) => Promise<T>,
    mayCreate = false,
  ): Promise<T> {
    const { prefix, schema } = options
    const store = await openStore({ store: storeOf(options), prefix, schema }, mayCreate)
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  }
}

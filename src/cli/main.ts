#!/usr/bin/env node
import { CommanderError } from 'commander'
import { isError } from '../errors.ts'
import { messageWithoutUserinfo } from '../http/secrets/redacted-url.ts'
import { InputError, OperationError } from '../operations/operation-error.ts'
import { CliError, type ExitCode, exitCodes } from './cli-error.ts'
import { CommandContext, READER_GONE } from './command-context.ts'
import { inputMessage } from './input-flags.ts'
import { packageVersion } from './package-version.ts'
import { createProgram } from './program.ts'
import { Terminal } from './terminal/terminal.ts'
import { showWarnings } from './terminal/warnings.ts'

const terminal = new Terminal()
const stop = new AbortController()
showWarnings(terminal)

// The first asks the command to end in good order, the second does not wait for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(exitCodes.interrupted)
    stop.abort()
  })
}

// `| head` goes away, and says so at every further write: the command ends in good order, without an error
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    stop.abort(READER_GONE)
  })
}

const context = new CommandContext(terminal, process.env, stop.signal)

/** What the process ends with when an operation was not done. */
const exitCodeOf = {
  invalid: exitCodes.usage,
  refused: exitCodes.someFailed,
  'store-unavailable': exitCodes.storeUnavailable,
} as const

async function run(): Promise<ExitCode> {
  try {
    await createProgram(context, packageVersion()).parseAsync()
    return context.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    if (error instanceof OperationError) {
      terminal.note(`error: ${error instanceof InputError ? inputMessage(error) : error.message}`)
      return exitCodeOf[error.kind]
    }
    if (error instanceof CliError) {
      terminal.note(`error: ${error.message}`)
      return error.exitCode
    }
    return storeFailure(error)
  } finally {
    terminal.clearStatus()
  }
}

/** What a store or the options of the library threw. */
function storeFailure(error: unknown): ExitCode {
  const { message, name } = isError(error) ? error : new Error(String(error))
  terminal.note(`error: ${messageWithoutUserinfo(message)}`)
  // the library says so of an option: `limit` must be an integer ...
  if (message.startsWith('`')) return exitCodes.usage
  if (name === 'TypeError' || name === 'RangeError') return exitCodes.internal
  return exitCodes.storeUnavailable
}

process.exitCode = await run()

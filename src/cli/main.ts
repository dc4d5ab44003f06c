#!/usr/bin/env node
import { CommanderError } from 'commander'
import { CliError, type ExitCode, exitCodes } from './cli-error.ts'
import { type CommandContext, READER_GONE } from './command-context.ts'
import { packageVersion } from './package-version.ts'
import { createProgram } from './program.ts'
import { Terminal } from './terminal.ts'
import { withoutUserinfo } from './terminal-safe.ts'
import { showWarnings } from './warnings.ts'

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

const context: CommandContext = {
  terminal,
  environment: process.env,
  signal: stop.signal,
  now: Date.now,
  exitCode: exitCodes.ok,
}

async function run(): Promise<ExitCode> {
  try {
    await createProgram(context, packageVersion()).parseAsync()
    return context.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
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
  const { message, name } = error instanceof Error ? error : new Error(String(error))
  terminal.note(`error: ${withoutUserinfo(message)}`)
  // the library says so of an option: `limit` must be an integer ...
  if (message.startsWith('`')) return exitCodes.usage
  if (name === 'TypeError' || name === 'RangeError') return exitCodes.internal
  return exitCodes.storeUnavailable
}

process.exitCode = await run()

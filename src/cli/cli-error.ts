/** What the process ends with; documented in docs/command-line.md. */
export const exitCodes = {
  ok: 0,
  /** It ran, and something of it failed. */
  someFailed: 1,
  /** Wrong arguments, or a confirmation that was not given. */
  usage: 2,
  /** The store cannot be reached or opened. */
  storeUnavailable: 3,
  /** A fault of the command line itself. */
  internal: 70,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Ends the command with a message and an exit code; never with a stack. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode

  constructor(message: string, exitCode: ExitCode = exitCodes.usage, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.exitCode = exitCode
  }
}

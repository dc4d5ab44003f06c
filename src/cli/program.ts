import { Command } from 'commander'
import { messageWithoutUserinfo } from '../http/secrets/redacted-url.ts'
import type { CommandContext } from './command-context.ts'
import { addCircuitCommands } from './commands/circuits/circuits.ts'
import { addDeadLetterCommands } from './commands/dead-letters/dead-letters.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addLimitCommands } from './commands/limits/limits.ts'
import { addPostgresCommands } from './commands/postgres.ts'
import { terminalSafe } from './terminal/terminal-safe.ts'

const overview = `
The store comes from --store or UNDICI_RESILIENCE_STORE:
  redis://[user:password@]host[:port][/db]   rediss://...   sqlite:path
  postgres://[user:password@]host[:port]/database

Exit codes: 0 done; 1 some of it failed; 2 wrong arguments, or a confirmation that was not given; 3 the store cannot be
reached or opened; 130 interrupted.

Examples:
  $ undici-resilience dead-letters list --store sqlite:/var/lib/app/dead-letters.db
  $ undici-resilience dead-letters replay --all --allow-origin https://api.hubapi.com --dry-run
  $ undici-resilience circuits list --store redis://127.0.0.1:6379
  $ undici-resilience doctor
`

/** All commands. Parsing throws a CommanderError instead of ending the process. */
export function createProgram(context: CommandContext, version: string): Command {
  const program = new Command('undici-resilience')
    .description('Look at dead letters and replay them; look at circuits and overrule them; check the store.')
    .version(version)
    .exitOverride()
    .configureOutput({
      // arguments are echoed: a store url among them may hold a password
      outputError: (text, write) => write(safeLines(messageWithoutUserinfo(text))),
    })
    .showHelpAfterError('(--help shows the options)')
    .addHelpText('after', overview)
  addDeadLetterCommands(program, context)
  addCircuitCommands(program, context)
  addLimitCommands(program, context)
  addDoctorCommand(program, context)
  addPostgresCommands(program, context)
  inherit(program)
  return program
}

/** Commander hands settings down only to commands that are made after them, one level at a time. */
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command)
    inherit(child)
  }
}

function safeLines(text: string): string {
  return text.split('\n').map(terminalSafe).join('\n')
}

import type { Command } from 'commander'
import { schemaOption } from '../../stores/postgres/postgres-store.ts'
import { migrationSql } from '../../stores/postgres/schema.ts'
import { DEFAULT_SCHEMA } from '../arguments/store-options.ts'
import { CliError } from '../cli-error.ts'
import type { CommandContext } from '../command-context.ts'

const examples = `
For \`postgresStore(pool, { migrate: false })\`: whoever may make tables runs it, again after each upgrade.

Example:
  $ undici-resilience postgres sql --schema resilience | psql "$DATABASE_URL"
`

export function addPostgresCommands(program: Command, context: CommandContext): void {
  const group = program.command('postgres').description('The tables of postgresStore.')
  group
    .command('sql')
    .description('Print the statement that makes the tables, or brings older ones up to date.')
    .option('--schema <schema>', 'the `schema` of postgresStore', DEFAULT_SCHEMA)
    .addHelpText('after', examples)
    .action(({ schema }: { schema: string }) => {
      context.terminal.lines(`${migrationSql(checkedSchema(schema))};`.split('\n'))
    })
}

function checkedSchema(schema: string): string {
  try {
    return schemaOption('--schema', schema)
  } catch (error) {
    throw new CliError((error as Error).message)
  }
}

import { type Command, Option } from 'commander'
import { storeForms } from '../../operations/stores/store-url.ts'
import { CliError } from '../cli-error.ts'

/** The default `schema` of postgresStore. */
export const DEFAULT_SCHEMA = 'undici_resilience'

const STORE_VARIABLE = 'UNDICI_RESILIENCE_STORE'

/** Which store a command works on. */
export interface StoreOptions {
  store?: string
  prefix: string
  schema: string
}

/** What all commands know. */
export interface CommonOptions extends StoreOptions {
  json?: boolean
}

/** @param json what `--json` prints; without it the command has no such option */
export function addStoreOptions(command: Command, json?: string): Command {
  command
    .addOption(
      new Option('--store <url>', 'redis://, rediss://, postgres:// or sqlite:path').env(STORE_VARIABLE),
    )
    .option(
      '--prefix <prefix>',
      'the `prefix` of redisStore, after the keyPrefix of its client',
      'undici-resilience',
    )
    .option('--schema <schema>', 'the `schema` of postgresStore', DEFAULT_SCHEMA)
  return json === undefined ? command : command.option('--json', json)
}

export function storeOf({ store }: StoreOptions): string {
  if (store !== undefined && store !== '') return store
  throw new CliError(`which store? Give --store or set ${STORE_VARIABLE}: ${storeForms}`)
}

import { type Command, Option } from 'commander'
import { CliError, exitCodes } from '../cli-error.ts'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  someFailed,
  withStore,
} from '../command-context.ts'
import {
  addFilterOptions,
  collect,
  type FilterOptions,
  filterOf,
  integerOf,
  rateOf,
} from '../filter-options.ts'
import { replayCredentials } from '../replay-credentials.ts'
import { checkOrigin } from '../checked-origin.ts'
import { ReplayOutput } from '../replay-output.ts'
import { isCleanSummary } from '../replay-summary.ts'
import { checkSelection, countDue, selectedIds } from '../selected-entries.ts'

interface Options extends CommonOptions, FilterOptions {
  allowOrigin?: string[]
  all?: boolean
  credentials?: string
  credentialsEnv?: string[]
  dryRun?: boolean
  rate: number
  concurrency: number
  maxReplays: number
  timeout: number
  limit?: number
  unknownDelivery?: 'hold' | 'replay'
  missingHeaders: 'refuse' | 'send'
}

const examples = `
Entries are sent again to the origins of --allow-origin and to no others; redirects are not followed. Without ids, those
that are pending and due are sent; with ids, or with --status in_doubt or quarantined, those too that wait for a person.

Credentials are not in the store. They come from a module, or from the environment, bound to an origin:
  --credentials ./creds.mjs      export default (record) => ({ authorization: \`Bearer \${process.env.TOKEN}\` })
                                 export const seal = { current: 'k1', keys: { k1: process.env.SEAL_KEY } }
  --credentials-env https://api.hubapi.com=authorization:HUBSPOT_AUTH

Ctrl-C ends it: nothing more is sent, what is being sent is finished and recorded, and the summary is printed.

Exit codes: 0 all were taken, 1 some were not, 2 wrong arguments, 3 store unreachable, 130 interrupted.

Examples:
  $ undici-resilience dead-letters replay --all --allow-origin https://api.hubapi.com --dry-run
  $ undici-resilience dead-letters replay --reason breaker_open --from 2h \\
      --allow-origin https://api.hubapi.com \\
      --credentials-env https://api.hubapi.com=authorization:HUBSPOT_AUTH --rate 5
  $ undici-resilience dead-letters replay 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3 --allow-origin https://api.hubapi.com
`

export function addReplayCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('replay')
    .description('Send entries again. What the server takes is removed; the rest stays.')
    .argument('[ids...]', 'ids, as list shows them')
  addFilterOptions(command)
    .option('--all', 'all that are pending and due')
    .requiredOption('--allow-origin <origin>', 'send to this origin; may be repeated', collect)
    .option('--credentials <module>', 'a module whose default export gives the headers for an entry')
    .option(
      '--credentials-env <origin=header:VAR>',
      'a header from the environment; may be repeated',
      collect,
    )
    .option('--dry-run', 'send nothing; say what would be sent, and what is missing for it')
    .option('--rate <n>', 'requests per second at most', rateOf, 20)
    .option('--concurrency <n>', 'requests at the same time', integerOf(1, 1000), 4)
    .option('--timeout <ms>', 'the longest time of one request', integerOf(1, 600_000), 30_000)
    .option('--max-replays <n>', 'failed replays before an entry is quarantined', integerOf(1), 5)
    .addOption(
      new Option(
        '--unknown-delivery <what>',
        'what may have arrived and is not repeatable; by default hold, with ids replay',
      ).choices(['hold', 'replay']),
    )
    .addOption(
      new Option('--missing-headers <what>', 'without headers that were not kept and nobody gives')
        .choices(['refuse', 'send'])
        .default('refuse'),
    )
    .option('--limit <n>', 'at most so many', integerOf(1))
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'one line of JSON per entry, and the summary')
  command.action(async (ids: string[], options: Options) => run(ids, options, context))
}

async function run(ids: string[], options: Options, context: CommandContext): Promise<void> {
  const filter = filterOf(options, context.now())
  checkSelection(ids, filter, options.all)
  const allowedOrigins = (options.allowOrigin ?? []).map((origin) => checkOrigin('--allow-origin', origin))
  if (filter?.origin !== undefined && !allowedOrigins.includes(filter.origin)) {
    throw new CliError('--origin must be one of --allow-origin')
  }
  const secrets = await replayCredentials(options, allowedOrigins, context.environment)
  // it loads undici; without it the other commands start twice as fast
  const { runReplay } = await import('../replay-run.ts')
  await withStore(options, async (store) => {
    const waiting = filter?.status === 'in_doubt' || filter?.status === 'quarantined'
    const named = ids.length > 0 ? [...new Set(ids)] : undefined
    const chosen = waiting
      ? await selectedIds(store.deadLetters, filter, options.limit, context.terminal)
      : named
    const counted = context.terminal.showsStatus && chosen === undefined
    const expected = counted
      ? await countDue(store.deadLetters, filter ?? {}, allowedOrigins, context.now())
      : chosen?.length
    const output = new ReplayOutput(context.terminal, options, expected)
    const total = await runReplay(store, {
      ids: chosen,
      filter: filter ?? {},
      limit: options.limit,
      allowedOrigins,
      ...secrets,
      ratePerSecond: options.rate,
      concurrency: options.concurrency,
      timeoutMs: options.timeout,
      maxReplays: options.maxReplays,
      missingHeaders: options.missingHeaders,
      unknownDelivery: options.unknownDelivery ?? (named === undefined ? 'hold' : 'replay'),
      dryRun: options.dryRun === true,
      signal: context.signal,
      onProgress: (progress, before) => output.tell(progress, before),
    })
    const untouched = total.cancelled ? [] : (chosen ?? []).filter((id) => !output.told.has(id))
    const why = 'not there, held by another replayer, not replayable, or not of an allowed origin'
    if (named === undefined && untouched.length > 0) context.terminal.note(`${untouched.length} left: ${why}`)
    else for (const id of untouched) context.terminal.note(`${id}: ${why}`)
    output.end(total)
    if (!isCleanSummary(total) || untouched.length > 0) someFailed(context)
    if (total.cancelled) context.exitCode = exitCodes.interrupted
  })
}

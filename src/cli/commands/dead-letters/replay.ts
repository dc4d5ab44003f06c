import { type Command, Option } from 'commander'
import { checkOrigin } from '../../../operations/checked-origin.ts'
import { whyLeft, whyLeftCounted, whyNotReplayed } from '../../../operations/entries/why-left.ts'
import { isCleanSummary } from '../../../operations/replay/summary.ts'
import { countTargets, notYetDue, replayTargets } from '../../../operations/replay/targets.ts'
import { credentialsOf } from '../../arguments/credential-options.ts'
import { collect, integerOf, rateOf } from '../../arguments/filter-options.ts'
import { addSelectionOptions, type SelectionOptions, selectionOf } from '../../arguments/selection-options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import { CliError, exitCodes } from '../../cli-error.ts'
import type { CommandContext } from '../../command-context.ts'
import { ReplayOutput } from '../../terminal/replay-output.ts'
import { selectionProgress } from '../../terminal/selection-progress.ts'
import { durationText } from '../../terminal/time-text.ts'

interface Options extends CommonOptions, SelectionOptions {
  allowOrigin?: string[]
  credentials?: string
  credentialsEnv?: string[]
  dryRun?: boolean
  rate: number
  concurrency: number
  maxReplays: number
  timeout: number
  unknownDelivery?: 'hold' | 'replay'
  missingHeaders: 'refuse' | 'send'
  requireSeal?: boolean
}

const examples = `
Entries are sent again to the origins of --allow-origin and to no others; redirects are not followed. Without ids, those
that are pending and due are sent; with ids, or with --status in-doubt or quarantined, those too that wait for a person.

Credentials are not in the store, and an entry whose call had one is not sent without. They come from a module, or from
the environment, bound to an origin:
  --credentials ./creds.mjs      export default (record) => ({ authorization: \`Bearer \${process.env.TOKEN}\` })
                                 export const seal = { current: 'k1', keys: { k1: process.env.SEAL_KEY } }
                                 export const decide = (record) => 'send' // or 'discard', 'hold': asked just before
                                 export { classify, inspectBody } // what answers mean: a refusal inside a 200
  --credentials-env https://api.hubapi.com=authorization:HUBSPOT_AUTH

Ctrl-C ends it: nothing more is sent, what is being sent is finished and recorded, and the summary is printed.

Exit codes: 0 all that were due were taken, 1 some were not, 2 wrong arguments, 3 store unreachable, 130 interrupted.

Examples:
  $ undici-resilience dead-letters replay --all --allow-origin https://api.hubapi.com \\
      --credentials-env https://api.hubapi.com=authorization:HUBSPOT_AUTH --dry-run
  $ undici-resilience dead-letters replay --reason circuit-open --from 2h \\
      --allow-origin https://api.hubapi.com \\
      --credentials-env https://api.hubapi.com=authorization:HUBSPOT_AUTH --rate 5
  $ undici-resilience dead-letters replay 0193a5c2-7d1e-7a3b-9c4d-5e6f708192a3 \\
      --allow-origin https://api.hubapi.com --credentials ./creds.mjs
`

export function addReplayCommand(parent: Command, context: CommandContext): void {
  const command = parent
    .command('replay')
    .description('Send entries again. What the server takes is removed; the rest stays.')
  addSelectionOptions(command, 'all that are pending and due', 'at most so many')
    .requiredOption('--allow-origin <origin>', 'send to this origin; may be repeated', collect)
    .option('--credentials <module>', 'a module whose default export gives the headers for an entry')
    .option(
      '--credentials-env <origin=header:VAR>',
      'a header from the environment; may be repeated',
      collect,
    )
    .option('--dry-run', 'send nothing; say what would be sent, and what is missing for it')
    .option('--rate <n>', 'requests per second at most, to each origin', rateOf, 20)
    .option('--concurrency <n>', 'requests at the same time, to each origin', integerOf(1, 1000), 4)
    .option('--timeout <ms>', 'the longest time of one request', integerOf(1, 600_000), 30_000)
    .option('--max-replays <n>', 'failed replays before an entry is quarantined', integerOf(1), 5)
    .addOption(
      new Option(
        '--unknown-delivery <what>',
        'what may have arrived and is not repeatable; by default hold, with ids replay',
      ).choices(['hold', 'replay']),
    )
    .addOption(
      new Option(
        '--missing-headers <what>',
        'without headers, credentials too, that were not kept and nobody gives',
      )
        .choices(['refuse', 'send'])
        .default('refuse'),
    )
    .option('--require-seal', 'only entries that are sealed, and unchanged since they were captured')
    .addHelpText('after', examples)
  addStoreOptions(command, 'one line of JSON per entry, and the summary')
  command.action(async (ids: string[], options: Options) => run(ids, options, context))
}

async function run(ids: string[], options: Options, context: CommandContext): Promise<void> {
  const { signal, terminal } = context
  const selection = selectionOf(ids, options, context.now())
  const allowedOrigins = (options.allowOrigin ?? []).map((origin) => checkOrigin('allowedOrigins', origin))
  const origin = selection.filter?.origin
  if (origin !== undefined && !allowedOrigins.includes(origin)) {
    throw new CliError('--origin must be one of --allow-origin')
  }
  const secrets = await credentialsOf(options, allowedOrigins, context.environment)
  if (options.requireSeal === true && secrets.seal === undefined) {
    throw new CliError('--require-seal needs --credentials with a module that exports `seal`')
  }
  // it loads undici; without it the other commands start twice as fast
  const { runReplay } = await import('../../../operations/replay/run.ts')
  await context.withStore(options, async (store) => {
    const { deadLetters } = store
    const targets = await replayTargets(deadLetters, selection, options.limit, selectionProgress(terminal))
    const expected = terminal.showsStatus
      ? await countTargets(deadLetters, targets, allowedOrigins, context.now())
      : targets.ids?.length
    const output = new ReplayOutput(terminal, options, expected)
    const { summary, untouched } = await runReplay(store, {
      targets,
      limit: options.limit,
      allowedOrigins,
      ...secrets,
      ratePerSecond: options.rate,
      concurrency: options.concurrency,
      timeoutMs: options.timeout,
      maxReplays: options.maxReplays,
      missingHeaders: options.missingHeaders,
      requireSeal: options.requireSeal === true,
      unknownDelivery: options.unknownDelivery,
      dryRun: options.dryRun === true,
      signal,
      onProgress: (progress, before) => output.tell(progress, before),
    })
    const obstacle = whyNotReplayed(allowedOrigins)
    if (targets.named) {
      for (const id of untouched) terminal.note(`${id}: ${await whyLeft(deadLetters, id, obstacle)}`)
    } else {
      const reasons = await whyLeftCounted(deadLetters, untouched, obstacle, signal)
      for (const [why, count] of reasons) terminal.note(`${count} left: ${why}`)
    }
    output.end(summary)
    if (summary.claimed === 0 && !summary.cancelled) {
      const now = context.now()
      const { count, nextAt } = await notYetDue(deadLetters, targets, allowedOrigins, now, signal)
      if (count > 0) {
        terminal.note(
          `${count} not due yet, the next in ${durationText(nextAt - now)}: an id is sent at once`,
        )
      }
    }
    if (!isCleanSummary(summary) || untouched.length > 0) context.someFailed()
    if (summary.cancelled) context.exitCode = exitCodes.interrupted
  })
}

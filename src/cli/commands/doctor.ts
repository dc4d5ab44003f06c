import type { Command } from 'commander'
import {
  addJsonOption,
  addStoreOptions,
  type CommandContext,
  type CommonOptions,
  someFailed,
  withStore,
} from '../command-context.ts'
import type { Finding } from '../doctor/finding.ts'
import { redisDoctor } from '../doctor/redis-doctor.ts'
import { checkSqliteFile } from '../sqlite-file.ts'
import { parseStoreUrl, shownLocation } from '../store-url.ts'
import { tableLines } from '../table.ts'

const examples = `
Changes nothing. Exit code 1 when a check fails; warnings alone give 0.

Examples:
  $ undici-resilience doctor --store rediss://user:password@redis.internal:6380
  $ undici-resilience doctor --store sqlite:/var/lib/app/dead-letters.db
`

export function addDoctorCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('doctor')
    .description(
      'Check the store: version, memory policy, persistence, clock, keys and latency, or integrity and size.',
    )
    .addHelpText('after', examples)
  addJsonOption(addStoreOptions(command), 'one check per line as JSON')
  command.action(async (options: CommonOptions) => {
    const { terminal } = context
    const location = parseStoreUrl(options.store)
    const findings =
      location.kind === 'sqlite' ? await sqliteFindings(location.path) : await redisFindings(options)
    if (options.json === true) for (const finding of findings) terminal.json(finding)
    else terminal.lines([shownLocation(location), ...findingLines(findings, terminal.width)])
    if (findings.some(({ level }) => level === 'fail')) someFailed(context)
  })
}

async function sqliteFindings(path: string): Promise<Finding[]> {
  checkSqliteFile(path, false)
  const { sqliteDoctor } = await import('../doctor/sqlite-doctor.ts')
  return sqliteDoctor(path)
}

async function redisFindings(options: CommonOptions): Promise<Finding[]> {
  return await withStore(options, async ({ redis, deadLetters }) =>
    redis === undefined ? [] : redisDoctor(redis, options.prefix, deadLetters),
  )
}

function findingLines(findings: readonly Finding[], width: number): string[] {
  return tableLines<Finding>(
    [
      { title: '', value: ({ level }) => level },
      { title: 'CHECK', value: ({ check }) => check },
      {
        title: 'FOUND',
        value: ({ found, advice }) => (advice === undefined ? found : `${found}: ${advice}`),
      },
    ],
    findings,
    width === Infinity ? width : Math.max(width, 200),
  )
}

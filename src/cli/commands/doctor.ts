import type { Command } from 'commander'
import type { Finding } from '../../operations/doctor/finding.ts'
import { storeDoctor } from '../../operations/doctor/store-doctor.ts'
import { addStoreOptions, type CommonOptions, storeOf } from '../arguments/store-options.ts'
import type { CommandContext } from '../command-context.ts'
import { tableLines } from '../terminal/table.ts'

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
  addStoreOptions(command, 'one check per line as JSON')
  command.action(async (options: CommonOptions) => {
    const { terminal } = context
    const { prefix, schema } = options
    const { shown, findings } = await storeDoctor({ store: storeOf(options), prefix, schema })
    if (options.json === true) for (const finding of findings) terminal.json(finding)
    else terminal.lines([shown, ...findingLines(findings, terminal.width)])
    if (findings.some(({ level }) => level === 'fail')) context.someFailed()
  })
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

import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  deadLetterReasons,
  deadLetterStatuses,
  type DeadLetterReason,
  type DeadLetterStatus,
} from '../../dead-letter/record/record.ts'
import type { DeadLetterFilter } from '../../dead-letter/store/query/filter.ts'
import { checkOrigin } from '../../operations/checked-origin.ts'
import { CliError } from '../cli-error.ts'
import { parseTime } from '../terminal/time-text.ts'

export interface FilterOptions {
  integration?: string
  origin?: string
  status?: DeadLetterStatus
  reason?: DeadLetterReason
  code?: string
  label?: string
  from?: string
  to?: string
}

export function addFilterOptions(command: Command): Command {
  return command
    .option('--integration <integration>', 'of this integration')
    .option('--origin <origin>', 'to this origin: https://api.hubapi.com')
    .addOption(new Option('--status <status>', 'that stand so').choices(deadLetterStatuses))
    .addOption(new Option('--reason <reason>', 'that ended so').choices(deadLetterReasons))
    .option('--code <code>', 'with this status or error code: 503, ECONNRESET')
    .option('--label <key[=value]>', 'with this label; !key: without it')
    .option('--from <time>', 'captured since: 2026-11-24T09:30:00Z, 2h')
    .option('--to <time>', 'captured before')
}

/** `undefined` when no condition was given. */
export function filterOf(options: FilterOptions, now: number): DeadLetterFilter | undefined {
  const { integration: name, origin, status, reason, code, label, from, to } = options
  const filter: DeadLetterFilter = {
    ...(name === undefined ? {} : { integration: name }),
    ...(origin === undefined ? {} : { origin: checkOrigin('origin', origin) }),
    ...(status === undefined ? {} : { status }),
    ...(reason === undefined ? {} : { reason }),
    ...(code === undefined ? {} : { code }),
    ...(label === undefined ? {} : { label }),
    ...(from === undefined ? {} : { from: parseTime('--from', from, now) }),
    ...(to === undefined ? {} : { to: parseTime('--to', to, now) }),
  }
  if (filter.from !== undefined && filter.to !== undefined && filter.from >= filter.to) {
    throw new CliError(`--from must be before --to, got ${String(from)} and ${String(to)}`)
  }
  return Object.keys(filter).length === 0 ? undefined : filter
}

/** For options that may be repeated. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

export function integerOf(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(
        max === Number.MAX_SAFE_INTEGER
          ? `It must be an integer >= ${min}.`
          : `It must be an integer from ${min} to ${max}.`,
      )
    }
    return value
  }
}

export function rateOf(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN
  if (!(value >= 0.01)) throw new InvalidArgumentError('It must be a number >= 0.01.')
  return value
}

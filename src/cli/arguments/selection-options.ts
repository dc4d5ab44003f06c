import type { Command } from 'commander'
import type { Selection } from '../../operations/entries/selection.ts'
import { CliError } from '../cli-error.ts'
import { addFilterOptions, type FilterOptions, filterOf, integerOf } from './filter-options.ts'

/** How the entries of a command are chosen: by ids, or by these. */
export interface SelectionOptions extends FilterOptions {
  all?: boolean
  limit?: number
}

export function addSelectionOptions(command: Command, all: string, limit: string): Command {
  command.argument('[ids...]', 'ids, as list shows them')
  return addFilterOptions(command).option('--all', all).option('--limit <n>', limit, integerOf(1))
}

/** The entries that were chosen; never all of them by leaving something out. */
export function selectionOf(ids: readonly string[], options: SelectionOptions, now: number): Selection {
  const filter = filterOf(options, now)
  const ways = [ids.length > 0, filter !== undefined, options.all === true].filter(Boolean).length
  if (ways > 1) throw new CliError('give either ids, or a filter, or --all')
  if (ids.length > 0) return { ids }
  if (filter !== undefined) return { filter }
  if (options.all === true) return { filter: {} }
  throw new CliError(
    'which entries? Name their ids, or give a filter (--integration, --status, --from ...), or --all',
  )
}

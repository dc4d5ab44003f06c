import type { Command } from 'commander'
import { clearKey, coolKey } from '../../../operations/limits/cooldowns.ts'
import { type ListedLimit, listLimits, watchLimits } from '../../../operations/limits/limits.ts'
import { durationOption } from '../../../options.ts'
import { addStoreOptions, type CommonOptions } from '../../arguments/store-options.ts'
import type { CommandContext } from '../../command-context.ts'
import { type Column, tableLines } from '../../terminal/table.ts'
import { durationOf, durationText, timeText } from '../../terminal/time-text.ts'

const listHelp = `
LIMIT: units per interval, of requests where calls have no cost of their own. USED: units of it that are used up at this
moment, as far as processes have reported them. HELD: units that processes have taken ahead, so that their calls need not
ask the store one by one; nobody else can use them. WAITING: units that calls wait for, in all processes. PROCESSES: how
many use the limit. COOL-DOWN: for how long no call of the key goes, since the provider or an operator said so. KEY: the
origin, and behind # a hash of the credentials.
A line with a cool-down alone has - for the rest.

Example:
  $ undici-resilience limits list --store redis://127.0.0.1:6379
`

const columns: Column<ListedLimit>[] = [
  { title: 'LIMIT', value: limitText, align: 'right' },
  { title: 'USED', value: ({ used }) => countText(used), align: 'right' },
  { title: 'HELD', value: ({ held }) => countText(held), align: 'right' },
  { title: 'WAITING', value: ({ waiting }) => countText(waiting), align: 'right' },
  { title: 'PROCESSES', value: ({ processes }) => countText(processes), align: 'right' },
  { title: 'COOL-DOWN', value: ({ retryAfterMs }) => coolText(retryAfterMs), align: 'right' },
  { title: 'KEY', value: ({ key }) => key, narrow: 'below', cut: 'middle' },
]

function limitText({ limit, name = '' }: ListedLimit): string {
  return limit === undefined ? '-' : `${limit} per ${durationText(Number.parseInt(name, 10))}`
}

function countText(count: number | undefined): string {
  return count === undefined ? '-' : String(count)
}

function coolText(ms: number): string {
  return ms === 0 ? '-' : durationText(ms)
}

export function addLimitCommands(program: Command, context: CommandContext): void {
  const group = program
    .command('limits')
    .description('Limits and cool-downs that processes share: look at them, begin or end a cool-down.')
  addList(group, context)
  addWatch(group, context)
  addCool(group, context)
  addClear(group, context)
}

function addList(group: Command, context: CommandContext): void {
  const command = group
    .command('list')
    .description('List the limits of all processes, and the keys that no process sends calls of for a while.')
    .addHelpText('after', listHelp)
  addStoreOptions(command, 'one limit or cool-down per line as JSON')
  command.action(async (options: CommonOptions) => {
    const { terminal } = context
    await context.withStore(options, async (store) => {
      const all = await listLimits(store)
      if (options.json === true) for (const one of all) terminal.json(one)
      else if (all.length === 0) terminal.note(`No limits or cool-downs with the prefix ${options.prefix}.`)
      else terminal.lines(tableLines(columns, all, terminal.width))
    })
  })
}

function addWatch(group: Command, context: CommandContext): void {
  const command = group
    .command('watch')
    .description('Print the limits and cool-downs, and each that is another a second later.')
    .addHelpText(
      'after',
      '\nEnds with Ctrl-C. The words are those of limits list: see its --help.\n\nExample:\n  $ undici-resilience limits watch --json\n',
    )
  addStoreOptions(command, 'one limit or cool-down per line as JSON')
  command.action(async (options: CommonOptions) => {
    const { terminal, signal } = context
    const tell = (one: ListedLimit): void => {
      if (options.json === true) terminal.json(one)
      else terminal.line(watchedLine(one, Date.now()))
    }
    await context.withStore(options, (store) => watchLimits(store, tell, signal))
  })
}

function watchedLine(one: ListedLimit, now: number): string {
  const { key, used, held, waiting, processes, retryAfterMs } = one
  const use =
    one.limit === undefined
      ? ''
      : `  ${used} of ${limitText(one)}, ${held} held, ${waiting} waiting, ${processes} processes`
  const cool = retryAfterMs > 0 ? `  cools down for ${durationText(retryAfterMs)}` : ''
  return `${timeText(now)}  ${key}${use}${use === '' && cool === '' ? '  may be called' : cool}`
}

function addCool(group: Command, context: CommandContext): void {
  const command = group
    .command('cool')
    .description('Let no call of the key go for a while, in all processes. A longer cool-down stays.')
    .argument('<key>', 'the key, as list shows it; an origin stands for all credentials')
    .argument('<duration>', '30s, 5m, 2h')
    .addHelpText('after', '\nExample:\n  $ undici-resilience limits cool https://api.hubapi.com 5m\n')
  addStoreOptions(command, 'the cool-down as JSON')
  command.action(async (key: string, duration: string, options: CommonOptions) => {
    const ms = durationOption('`duration`', durationOf('<duration>', duration), 1)
    await context.withStore(options, async (store) => {
      const retryAfterMs = await coolKey(store, key, ms)
      if (options.json === true) context.terminal.json({ key, retryAfterMs })
      else context.terminal.line(`${key} is left alone for ${durationText(retryAfterMs)}`)
    })
  })
}

function addClear(group: Command, context: CommandContext): void {
  const command = group
    .command('clear')
    .description('End a cool-down in all processes.')
    .argument('<key>', 'the key, as list shows it')
    .addHelpText('after', '\nExample:\n  $ undici-resilience limits clear https://api.hubapi.com\n')
  addStoreOptions(command, 'the key as JSON')
  command.action(async (key: string, options: CommonOptions) => {
    await context.withStore(options, async (store) => {
      await clearKey(store, key)
      if (options.json === true) context.terminal.json({ key, retryAfterMs: 0 })
      else context.terminal.line(`${key} may be called`)
    })
  })
}

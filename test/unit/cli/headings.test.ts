import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { expect, it } from 'vitest'
import type { CommandContext } from '../../../src/cli/command-context.ts'
import { createProgram } from '../../../src/cli/program.ts'

const circuit = { key: 'k', state: 'open', override: undefined, retryAfterMs: 1, trips: 1, since: 0, by: 'p' }
const limit = { key: 'k', name: '1000', limit: 1, used: 0, held: 0, waiting: 0, processes: 1 }
const store = {
  circuits: { directory: { list: () => Promise.resolve([circuit]) } },
  limits: { directory: { list: () => Promise.resolve([]), limits: () => Promise.resolve([limit]) } },
}

/** What the command prints over such a store, line by line. */
async function printed(words: readonly string[]): Promise<string[]> {
  const all: string[] = []
  const context = {
    terminal: { width: Infinity, lines: (lines: readonly string[]) => void all.push(...lines) },
    now: () => 1,
    withStore: (_options: unknown, work: (opened: unknown) => Promise<void>) => work(store),
  } as unknown as CommandContext
  await createProgram(context, '0').parseAsync(words, { from: 'user' })
  return all
}

function helpOf(words: readonly string[]): string {
  let text = ''
  const program: Command = createProgram({} as CommandContext, '0')
  const command = words.reduce((one, word) => one.commands.find((child) => child.name() === word)!, program)
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp()
  return text
}

it.each([['circuits list'], ['limits list']])('%s says in its help what each heading means', async (line) => {
  const words = line.split(' ')
  const [titles = ''] = await printed(words)
  const headings = titles.trim().split(/\s{2,}/)
  expect(headings.length).toBeGreaterThan(4)
  const help = helpOf(words)
  const page = await readFile(new URL('../../../docs/command-line.md', import.meta.url), 'utf8')
  for (const heading of headings) {
    expect(help).toMatch(new RegExp(`\\b${heading.replace(' ', '\\s')}:`))
    expect(page).toContain(`\`${heading}\``)
  }
})

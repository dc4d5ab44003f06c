import type { Command } from 'commander'
import { expect, it } from 'vitest'
import type { CommandContext } from '../../../src/cli/command-context.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { documentBlocks } from '../../support/document-blocks.ts'

/** The words after the program's name, of each time that a document calls it in a shell. */
const calls = documentBlocks()
  .filter(({ language }) => language === 'sh')
  .flatMap(({ code }) => code.replaceAll('\\\n', ' ').split('\n'))
  .flatMap((line) => /(?<!install )undici-resilience (?! *undici)([^|]*)/.exec(line)?.[1] ?? [])
  .map((words) => words.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", '')))

it('finds the commands in the documents', () => {
  expect(calls.length).toBeGreaterThanOrEqual(10)
})

it.each(calls.map((words) => [words.join(' '), words] as const))(
  'the documents say %s, and there is such a command, with these options',
  (_text, words) => {
    // nothing is run: no command asks for its context before
    let command: Command = createProgram({} as CommandContext, '0')
    let at = 0
    for (;;) {
      const child = command.commands.find((one) => one.name() === words[at])
      if (child === undefined) break
      command = child
      at++
    }
    expect(command.commands).toEqual([])
    expect(command.parseOptions(words.slice(at)).unknown).toEqual([])
  },
)

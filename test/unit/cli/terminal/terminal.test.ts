import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Terminal } from '../../../../src/cli/terminal/terminal.ts'

function make(isTTY: boolean): {
  terminal: Terminal
  stdin: PassThrough
  out: () => string
  err: () => string
} {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  let out = ''
  let err = ''
  stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  for (const stream of [stdin, stdout, stderr]) Object.assign(stream, { isTTY, columns: 40 })
  const streams = { stdin, stdout, stderr } as unknown as ConstructorParameters<typeof Terminal>[0]
  return { terminal: new Terminal(streams), stdin, out: () => out, err: () => err }
}

it('writes everything as text, on stdout and on stderr', async () => {
  const { terminal, out, err } = make(true)
  terminal.line('\u001b[2J\n')
  terminal.json({ a: '\u009b' })
  terminal.note('\u202e')
  await sleep(0)
  expect(out()).toBe('\\x1b[2J\\n\n{"a":"\\u009b"}\n')
  expect(err()).toBe('\\u202e\n')
})

it('shows progress on a terminal only, within its width, and clears it before a line', async () => {
  const { terminal, err, out } = make(true)
  terminal.status(`\u001b[2J${'x'.repeat(100)}`)
  terminal.line('done')
  await sleep(0)
  expect(err()).toBe(`\r\u001b[K\\x1b[2J${'x'.repeat(32)}\r\u001b[K`)
  expect(out()).toBe('done\n')
  const piped = make(false)
  piped.terminal.status('x')
  await sleep(0)
  expect(piped.err()).toBe('')
  expect(piped.terminal.width).toBe(Infinity)
  expect(terminal.width).toBe(40)
})

it('asks before something is destroyed, and takes only a yes', async () => {
  for (const [answer, taken] of [
    ['y', true],
    ['YES', true],
    ['n', false],
    ['', false],
    ['yesterday', false],
  ] as const) {
    const { terminal, stdin } = make(true)
    const asked = terminal.confirm('Discard?', false).then(
      () => true,
      () => false,
    )
    stdin.write(`${answer}\n`)
    expect(await asked, answer).toBe(taken)
  }
})

it('refuses where nobody can answer, and takes --yes for an answer', async () => {
  const { terminal } = make(false)
  await expect(terminal.confirm('Discard?', false)).rejects.toMatchObject({ exitCode: 2 })
  await expect(terminal.confirm('Discard?', true)).resolves.toBeUndefined()
})

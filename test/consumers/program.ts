import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { nodesInstalled } from './application.ts'

/** What came of one program: it passed, or what it said. */
export type Result = { readonly passed: true } | { readonly passed: false; readonly output: string }

export const nodes = ['node22', 'node24', 'node26'] as const

type NodeName = (typeof nodes)[number]

/** For what hangs: the bundlers take a busy machine a minute. */
const TIMEOUT_MS = 300_000

/** Runs a program of an application on a Node. */
export function run(
  node: NodeName,
  args: readonly string[],
  folder: string,
  expected?: string,
): Promise<Result> {
  const binary = join(nodesInstalled, node, 'bin', 'node')
  return new Promise((resolve) => {
    const child = spawn(binary, args, { cwd: folder, timeout: TIMEOUT_MS })
    let output = ''
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.on('close', (code, signal) => {
      if (signal !== null) output += `\nended by ${signal}, after ${TIMEOUT_MS / 1_000} s where it was ours`
      const passed = code === 0 && (expected === undefined || stdout.trim() === expected)
      resolve(passed ? { passed } : { passed: false, output: output.slice(-2_000) })
    })
  })
}

import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** Of `--json`: what each line of stdout says. */
  json(): Record<string, unknown>[]
}

interface CliOptions {
  env?: Record<string, string>
  input?: string | Uint8Array
  /** Is handed the process once it has started. */
  started?: (child: ChildProcess) => void
}

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Runs the command line as a process of its own, from source. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { NODE_OPTIONS: _none, UNDICI_RESILIENCE_STORE: _store, ...environment } = process.env
  const child = spawn(
    process.execPath,
    ['--import', `${root}test/support/register.ts`, `${root}src/cli/main.ts`, ...args],
    { env: { ...environment, ...options.env }, stdio: 'pipe' },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input)
  options.started?.(child)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) =>
      resolve({
        code,
        stdout,
        stderr,
        json: () =>
          stdout
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => JSON.parse(line) as Record<string, unknown>),
      }),
    )
  })
}

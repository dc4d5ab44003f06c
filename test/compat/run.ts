import { execFile, spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { selfSigned } from '../support/servers/certificate.ts'

/**
 * Runs test/compat/check.ts against the built package on every runtime with every undici of test/compat/package.json.
 * Each pair gets a folder as an application would have it, with its own node_modules.
 */

const here = import.meta.dirname
const root = join(here, '..', '..')
const installed = join(here, 'node_modules')
/** Made here: the folders of the applications have nothing to make one with. */
const certificate = JSON.stringify(await selfSigned())

const runtimes = ['node22', 'node24', 'node26']
const undicis = ['undici7-first', 'undici7', 'undici8']

async function application(folder: string, undici: string): Promise<void> {
  const modules = join(folder, 'node_modules')
  await mkdir(join(modules, 'undici-resilience'), { recursive: true })
  await cp(join(root, 'dist'), join(modules, 'undici-resilience', 'dist'), { recursive: true })
  await cp(join(root, 'package.json'), join(modules, 'undici-resilience', 'package.json'))
  // not a link: the package must find this undici from where it lies itself
  await cp(join(installed, undici), join(modules, 'undici'), { recursive: true })
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await writeFile(join(folder, 'certificate.json'), certificate)
  for (const file of [
    'compat/check.ts',
    'support/calls/body-matrix.ts',
    'support/calls/caller-timeout.ts',
    'support/certainty/check.ts',
    'support/certainty/scenarios.ts',
    'support/certainty/servers.ts',
    'support/calls/provider.ts',
    'support/processes/thaw-child.ts',
    'support/processes/thaw.ts',
    'support/calls/two-tenants.ts',
    'support/calls/via.ts',
  ]) {
    await cp(join(root, 'test', file), join(folder, file))
  }
}

/** Whether an application compiles with this undici's types, at the strictest settings. Gives back what tsc says. */
async function compile(folder: string): Promise<string> {
  for (const types of ['@types', 'undici-types']) {
    await symlink(join(root, 'node_modules', types), join(folder, 'node_modules', types))
  }
  await writeFile(
    join(folder, 'app.ts'),
    `import { Agent, setGlobalDispatcher } from 'undici'
import { resilience, ResilientHttpClient, retry, timeout } from 'undici-resilience'
import { sqliteStore } from 'undici-resilience/sqlite'
import { createHubSpotClient } from 'undici-resilience/providers/hubspot'
setGlobalDispatcher(new Agent().compose(retry(), timeout({ ms: 1 }), resilience({ store: sqliteStore(':memory:') })))
export const clients = [new ResilientHttpClient({ dispatcher: new Agent() }), createHubSpotClient({ accessToken: 'x' })]
`,
  )
  const settings = [
    '--noEmit',
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--lib',
    'es2024',
    '--types',
    'node',
  ]
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--ignoreConfig']
  const tsc = spawnSync(join(root, 'node_modules', '.bin', 'tsc'), [...settings, ...strict, 'app.ts'], {
    cwd: folder,
    encoding: 'utf8',
  })
  return tsc.stdout
}

const version = (binary: string) => spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout.trim()

let failed = 0
let passed = 0
console.log('node       undici         passed  failed')
for (const undici of undicis) {
  const consumer = await mkdtemp(join(tmpdir(), 'undici-resilience-compat-'))
  await application(consumer, undici)
  const complaints = await compile(consumer)
  console.log(`types      ${undici.padEnd(14)} ${complaints === '' ? 'compile' : `\n${complaints}`}`)
  if (complaints === '') passed++
  else failed++
  await rm(consumer, { recursive: true })
  for (const runtime of runtimes) {
    const binary = join(installed, runtime, 'bin', 'node')
    const folder = await mkdtemp(join(tmpdir(), 'undici-resilience-compat-'))
    await application(folder, undici)
    // undici 7.0 writes a global dispatcher that Node 26 does not read: only a dispatcher per call reaches its fetch
    const skip =
      undici === 'undici7-first' && runtime === 'node26' ? ['built-in fetch, global dispatcher'] : []
    let output: string
    try {
      output = (
        await promisify(execFile)(binary, ['compat/check.ts', ...skip], { cwd: folder, timeout: 120_000 })
      ).stdout
    } catch (error) {
      output = (error as { stdout?: string }).stdout ?? ''
      if (output === '') console.error(error)
    }
    const line = output.trim().split('\n').at(-1) ?? ''
    const result = (line.startsWith('{') ? JSON.parse(line) : { passed: 0, failures: ['no result'] }) as {
      passed: number
      failures: string[]
    }
    console.log(
      `${version(binary).padEnd(10)} ${undici.padEnd(14)} ${String(result.passed).padStart(6)}  ${String(result.failures.length).padStart(6)}`,
    )
    for (const failure of result.failures) console.log(`  ${failure}`)
    passed += result.passed
    failed += result.failures.length
    await rm(folder, { recursive: true })
  }
}
/** Jest in its default configuration, which loads everything by a `require` of its own. */
for (const undici of ['undici7', 'undici8']) {
  for (const runtime of runtimes) {
    const binary = join(installed, runtime, 'bin', 'node')
    const folder = await mkdtemp(join(tmpdir(), 'undici-resilience-jest-'))
    await application(folder, undici)
    await rm(join(folder, 'compat'), { recursive: true })
    await rm(join(folder, 'support'), { recursive: true })
    await writeFile(join(folder, 'package.json'), '{}')
    await cp(join(here, 'jest.app.cjs'), join(folder, 'app.test.js'))
    const jest = spawnSync(
      binary,
      [join(installed, 'jest', 'bin', 'jest.js'), '--rootDir', folder, '--json', '--silent'],
      { cwd: folder, encoding: 'utf8', timeout: 120_000 },
    )
    const result = (jest.stdout.startsWith('{') ? JSON.parse(jest.stdout) : undefined) as
      { numPassedTests: number; numFailedTests: number; success: boolean } | undefined
    const failures = result?.success === true ? 0 : Math.max(1, result?.numFailedTests ?? 1)
    console.log(
      `${version(binary).padEnd(10)} ${`${undici}, Jest`.padEnd(14)} ${String(result?.numPassedTests ?? 0).padStart(6)}  ${String(failures).padStart(6)}`,
    )
    if (failures > 0) console.log(jest.stderr)
    passed += result?.numPassedTests ?? 0
    failed += failures
    await rm(folder, { recursive: true })
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

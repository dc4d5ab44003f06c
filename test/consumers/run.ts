import { spawnSync } from 'node:child_process'
import { copyFile, cp, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { application, installed, nodesInstalled, packed, root } from './application.ts'
import { writtenDocuments } from './documents.ts'
import { nodes, type Result, run } from './program.ts'

/**
 * The package as its users have it, in what they run it with: test runners, bundlers, TypeScript, frameworks. Prints a table, and
 * exits with 1 when any of it failed. Build first.
 */

const pack = await packed()
const failures: string[] = []

function row(name: string, results: readonly (Result | undefined)[]): void {
  const cells = results.map((result) => (result === undefined ? '-' : result.passed ? 'ok' : 'FAILED'))
  console.log(`${name.padEnd(44)}${cells.map((cell) => cell.padEnd(8)).join('')}`.trimEnd())
  for (const result of results) {
    if (result?.passed === false) failures.push(`--- ${name}\n${result.output}`)
  }
}

/** On all Nodes, at the same time. */
async function onEach(name: string, args: readonly string[], folder: string, expected?: string) {
  row(name, await Promise.all(nodes.map((node) => run(node, args, folder, expected))))
}

const script = (...path: string[]): string => join(installed, ...path)

console.log(`${'consumer'.padEnd(44)}${nodes.map((node) => node.padEnd(8)).join('')}`.trimEnd())

const app = await application(pack.tarball)
await onEach('node:test, import and require', ['--test', 'node.test.mjs'], app.folder)
await onEach(
  'vitest, import and require',
  [script('vitest', 'vitest.mjs'), 'run', 'vitest.test.mjs'],
  app.folder,
)
await onEach(
  'mocha, import and require',
  [script('mocha', 'bin', 'mocha.js'), '--timeout', '60000', 'mocha.spec.mjs'],
  app.folder,
)
await copyFile(join(app.folder, 'jest.test.cjs'), join(app.folder, 'jest.test.js'))
await onEach(
  'jest, its default configuration',
  [script('jest', 'bin', 'jest.js'), 'jest.test.js'],
  app.folder,
)

// docs/testing.md says what each of these tools needs
for (const name of ['fake-timers.node', 'fake-timers.sinon', 'nock', 'msw']) {
  await onEach(`docs/testing.md: ${name}`, ['--test', join('tools', `${name}.test.mjs`)], app.folder)
}
const vitest = [script('vitest', 'vitest.mjs'), 'run', join('tools', 'fake-timers.vitest.test.mjs')]
await onEach('docs/testing.md: fake-timers.vitest', vitest, app.folder)
const fakeTimersInJest = join('tools', 'fake-timers-jest.test.js')
await copyFile(join(app.folder, 'tools', 'fake-timers.jest.test.cjs'), join(app.folder, fakeTimersInJest))
await onEach(
  'docs/testing.md: fake-timers.jest',
  [script('jest', 'bin', 'jest.js'), fakeTimersInJest],
  app.folder,
)

const documents = await writtenDocuments(app.folder)
for (const { runner, file } of documents.tests) {
  const args = { vitest: [script('vitest', 'vitest.mjs'), 'run'], jest: [script('jest', 'bin', 'jest.js')] }
  await onEach(
    `docs: a test for ${runner}`,
    [...(runner === 'node:test' ? ['--test'] : args[runner]), file],
    app.folder,
  )
}

// what an application does with each bundle, and prints
const facts = '200 4 true undici-resilience:call:done 1'
const bundled = await run('node24', ['bundle.mjs'], app.folder)
row('bundles are made', [undefined, bundled, undefined])
for (const bundle of [
  'esbuild.mjs',
  'esbuild.cjs',
  'esbuild-minified.cjs',
  'webpack.mjs',
  'webpack.cjs',
  'webpack-next.cjs',
  'rollup.mjs',
  'rollup.cjs',
  'tsup.mjs',
  'tsup.cjs',
]) {
  if (bundled.passed) await onEach(`bundle ${bundle}`, [join('bundles', bundle)], app.folder, facts)
}

const compilers = [
  ['5.9', script('typescript', 'lib', 'tsc.js')],
  ['6', script('typescript6', 'bin', 'tsc6')],
  ['7', script('typescript7', 'bin', 'tsc')],
] as const
const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false']
const library = ['--target', 'es2023', '--lib', 'es2024', '--types', 'node']
// clients of stores are needed by who imports their entries, and by nobody else
for (const name of ['typed', 'redis']) {
  for (const extension of ['mts', 'cts']) {
    await copyFile(join(app.folder, `${name}.txt`), join(app.folder, `${name}.${extension}`))
  }
}
for (const [version, tsc] of compilers) {
  for (const [resolution, ...files] of [
    ['node16', 'typed.mts', 'typed.cts'],
    ['nodenext', 'typed.mts', 'typed.cts'],
    ['bundler', 'typed.mts'],
  ] as const) {
    const module = resolution === 'bundler' ? 'esnext' : resolution
    const args = [tsc, ...strict, ...library, '--module', module, '--moduleResolution', resolution, ...files]
    row(`TypeScript ${version}, moduleResolution ${resolution}`, [
      undefined,
      await run('node24', args, app.folder),
    ])
  }
}
// the tsconfig of many a NestJS service; later compilers have it no more
const commonjs = [script('typescript', 'lib', 'tsc.js'), ...strict, ...library, '--module', 'commonjs']
row('TypeScript 5.9, module commonjs', [
  undefined,
  await run('node24', [...commonjs, '--moduleResolution', 'node10', 'typed.cts'], app.folder),
])
await symlink(join(root, 'node_modules', 'ioredis'), join(app.folder, 'node_modules', 'ioredis'))
const withRedis = [script('typescript', 'lib', 'tsc.js'), ...strict, ...library, '--module', 'nodenext']
row('TypeScript 5.9, with ioredis', [
  undefined,
  await run('node24', [...withRedis, 'redis.mts', 'redis.cts'], app.folder),
])

const blocks = [script('typescript', 'lib', 'tsc.js'), '--noEmit', '--skipLibCheck', ...library]
for (const [language, files, ...args] of [
  ['TypeScript', documents.typescript, '--strict'],
  ['JavaScript', documents.javascript, '--allowJs', '--checkJs', '--strict', 'false', '--types', 'node,jest'],
] as const) {
  row(`docs: ${files.length} blocks of ${language} beside others`, [
    undefined,
    await run('node24', [...blocks, '--module', 'nodenext', ...args, ...files], app.folder),
  ])
}

// examples with the real packages: what each prints last
const examples = [
  ['express', 'express: 200 {"ok":true} after 3 requests to the provider'],
  ['fastify', 'fastify: 200 {"ok":true} after 3 requests to the provider'],
  ['lambda', 'lambda: GET 200, 0 dead letters\nlambda: POST 503, 1 dead letters'],
  ['route-handler', 'route handler: 200 after 3 requests to the provider'],
  ['openai', 'openai: Hello after 3 requests'],
  ['stripe', 'stripe: ch_1 after 3 requests'],
  ['elasticsearch', 'elasticsearch: 7 after 3 requests'],
] as const
await cp(join(root, 'examples', 'frameworks'), join(app.folder, 'frameworks'), { recursive: true })
for (const [name, printed] of examples) {
  const result = await run('node24', [join('frameworks', `${name}.mjs`)], app.folder, printed)
  row(`example ${name}`, [undefined, result])
}
const nest = [script('jest', 'bin', 'jest.js'), '--config', join('frameworks', 'nestjs', 'jest.config.cjs')]
row('example NestJS, Jest with ts-jest', [undefined, await run('node24', nest, app.folder)])

for (const entry of ['undici', 'undici-resilience', 'undici-resilience/redis', 'undici-resilience/sqlite']) {
  const { stdout } = spawnSync(
    join(nodesInstalled, 'node24', 'bin', 'node'),
    [join(app.folder, 'import-cost.mjs'), entry],
    { cwd: app.folder, encoding: 'utf8' },
  )
  console.log(`import ${entry.padEnd(37)}${stdout.trim()}`)
}
await app.dispose()
await pack.dispose()

console.log(failures.length === 0 ? 'all passed' : `\n${failures.join('\n\n')}`)
process.exit(failures.length === 0 ? 0 : 1)

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { transformSync } from 'esbuild'
import { LEAST_MAJOR, NEEDS_NODE } from './src/runtime.ts'

// Runs after tsup. The implementation becomes CommonJS, and each entry that is imported is a face that hands on its
// names: so there is one instance of the package in a process, whoever imports it and whoever requires it, and Jest, whose
// own `require` takes no ES modules, can load it. The declarations go the same way, so that there is one of each type.
// Bundlers, which ask for `module`, get the ES modules in dist/esm: a `require` in an ES module that they make would fail
// when it runs. The command line stays an ES module: it imports files of its users, which may be either.

// On a Node that is too old undici ends the process itself, with a message that names neither of us: entries look first.
const tooOld = `parseInt(process.versions.node, 10) < ${LEAST_MAJOR}`
const sentence = `'${NEEDS_NODE}' + process.versions.node`
const guard = `if (${tooOld}) throw new Error(${sentence});`

const dist = join(import.meta.dirname, 'dist')
const stays = new Set(['cli.js'])

const names = readdirSync(dist, { recursive: true, encoding: 'utf8' })
const modules = names.filter((name) => name.endsWith('.js'))
const declarations = names.filter((name) => name.endsWith('.d.ts') && name !== 'cli.d.ts')
rmSync(join(dist, 'cli.d.ts'))
const { exports } = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { import: { default: string } }>
}
const entries = new Set(
  Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [] : [target.import.default.replace('./dist/', '')],
  ),
)

const metafile = join(dist, 'metafile-esm.json')
const { outputs } = JSON.parse(readFileSync(metafile, 'utf8')) as {
  outputs: Record<string, { exports: string[] }>
}
rmSync(metafile)

for (const name of modules) {
  const path = join(dist, name)
  const code = readFileSync(path, 'utf8')
  const map = `${path}.map`
  const renamed = withExtension(code, '.js', '.cjs')
  if (stays.has(name)) {
    const main = name.replace(/\.js$/, '-main.js')
    writeFileSync(join(dist, main), renamed.replace(/^#!.*\n/, ''))
    const refuse = `if (${tooOld}) {\n  console.error(${sentence})\n  process.exit(1)\n}`
    writeFileSync(path, `#!/usr/bin/env node\n${refuse}\nawait import('./${main}')\n`)
    continue
  }
  const copy = join(dist, 'esm', name)
  mkdirSync(dirname(copy), { recursive: true })
  writeFileSync(copy, withoutMap(code))
  const inlined = withoutMap(renamed)
  const sourceMap = Buffer.from(readFileSync(map)).toString('base64')
  const output = transformSync(`${inlined}//# sourceMappingURL=data:application/json;base64,${sourceMap}`, {
    format: 'cjs',
    platform: 'node',
    target: 'node22',
    sourcemap: 'external',
    sourcefile: name,
    sourcesContent: true,
    // as every ES module is
    banner: `"use strict";${entries.has(name) ? ` ${guard}` : ''}`,
  })
  const target = name.replace(/\.js$/, '.cjs')
  writeFileSync(
    join(dist, target),
    `${withPlainExports(output.code, target)}//# sourceMappingURL=${target.replace(/^.*\//, '')}.map\n`,
  )
  writeFileSync(join(dist, `${target}.map`), output.map)
  rmSync(map)
  if (!entries.has(name)) {
    rmSync(path)
    continue
  }
  const exported = outputs[`dist/${name}`]!.exports
  writeFileSync(
    path,
    `export {\n${exported.map((each) => `  ${each},\n`).join('')}} from './${target.replace(/^.*\//, '')}'\n`,
  )
}

for (const name of declarations) {
  const path = join(dist, name)
  const target = name.replace(/\.d\.ts$/, '.d.cts')
  writeFileSync(join(dist, target), withExtension(readFileSync(path, 'utf8'), '.js', '.cjs'))
  if (entries.has(name.replace(/\.d\.ts$/, '.js'))) {
    writeFileSync(path, `export * from './${target.replace(/^.*\//, '').replace(/\.d\.cts$/, '.cjs')}'\n`)
  } else rmSync(path)
}

/**
 * esbuild makes each export a getter behind a getter, for the sake of exports that change; ours never do. A healthy call
 * uses some ten of them, and V8 spends on them what it would inline of the call itself. So they are plain properties, set
 * when all is made. The lines stay where they are, and the source map true.
 */
function withPlainExports(code: string, name: string): string {
  const getters =
    /((?:^var __\w+ = [^]*?;\n)+)^var (\w+) = \{\};\n__export\(\2, \{\n([^]*?)\n\}\);\nmodule\.exports = __toCommonJS\(\2\);\n/m
  const found = getters.exec(code)
  if (found === null) throw new Error(`${name}: esbuild writes exports in another way than commonjs.ts knows`)
  const [all, helpers, , list] = found as unknown as [string, string, string, string]
  const exported = list.split('\n').map((line) => {
    const getter = /^ {2}(\w+): \(\) => ([\w.]+),?$/.exec(line)
    if (getter === null) throw new Error(`${name}: unknown export: ${line}`)
    return `exports.${getter[1]} = ${getter[2]};\n`
  })
  const rest = code.slice(found.index + all.length).replace(/^\/\/ Annotate the CommonJS[^]*/m, '')
  const kept = rest.includes('__toESM(') ? helpers : ''
  const blank = '\n'.repeat(all.split('\n').length - kept.split('\n').length - 1)
  const mark = 'Object.defineProperty(exports, "__esModule", { value: true });\n'
  return `${code.slice(0, found.index)}${kept}${mark}${blank}${rest.trimEnd()}\n${exported.join('')}`
}

/** Code that names no source map. */
function withoutMap(code: string): string {
  return `${code.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '')}\n`
}

/** Relative specifiers of files of this build, with another extension. */
function withExtension(code: string, from: string, to: string): string {
  return code.replace(/(["'])(\.\.?\/[^"'\n]+)\1/g, (whole, quote: string, specifier: string) =>
    specifier.endsWith(from) ? `${quote}${specifier.slice(0, -from.length)}${to}${quote}` : whole,
  )
}

import { existsSync } from 'node:fs'
import { registerHooks } from 'node:module'
// .lua files are modules too: the Redis store's scripts
import '../../test/support/register.ts'

const source = new URL('../../src/', import.meta.url)

// Lets the examples run without a build: `undici-resilience` is the package's own source, as it is for the type checker.
registerHooks({
  resolve(specifier, context, nextResolve) {
    const [, entry] = /^undici-resilience(?:\/(.+))?$/.exec(specifier) ?? []
    const own = /^undici-resilience(\/|$)/.test(specifier)
    const url = [`entries/${entry}.ts`, `${entry ?? 'index'}.ts`]
      .map((file) => new URL(file, source))
      .find((file) => existsSync(file))
    return own && url !== undefined ? nextResolve(url.href, context) : nextResolve(specifier, context)
  },
})

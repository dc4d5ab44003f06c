// Makes each bundle of service.mjs that a user might make: bundles/<name>.mjs or .cjs
import { resolve } from 'node:path'
import commonjs from '@rollup/plugin-commonjs'
import nodeResolve from '@rollup/plugin-node-resolve'
import { build } from 'esbuild'
import { rollup } from 'rollup'
import { build as tsup } from 'tsup'
import webpack from 'webpack'

const entry = resolve('service.mjs')
const outfile = (name) => resolve('bundles', name)

async function esbuild(name, options) {
  await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node22',
    logLevel: 'error',
    outfile: outfile(name),
    ...options,
  })
}

async function webpacked(name, options) {
  const { output, ...rest } = options
  const stats = await new Promise((done, failed) => {
    webpack(
      {
        mode: 'production',
        target: 'node22',
        entry,
        output: { path: resolve('bundles'), filename: name, ...output },
        ...rest,
      },
      (error, made) => (error ? failed(error) : done(made)),
    )
  })
  if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }))
}

async function rolled(name, format) {
  const bundle = await rollup({
    input: entry,
    external: ['undici', /^node:/],
    plugins: [nodeResolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs()],
    onwarn: (warning) => {
      throw new Error(warning.message)
    },
  })
  await bundle.write({ file: outfile(name), format })
  await bundle.close()
}

// undici is CommonJS: an ES module of esbuild's cannot take it in, whoever uses it
await esbuild('esbuild.mjs', { format: 'esm', external: ['undici'] })
await esbuild('esbuild.cjs', { format: 'cjs' })
await esbuild('esbuild-minified.cjs', { format: 'cjs', minify: true })
await webpacked('webpack.cjs', {})
// as Next.js builds the server side: packages that it is told to leave outside are required
await webpacked('webpack-next.cjs', {
  externals: [({ request }, done) => (request === 'undici' ? done(null, 'commonjs undici') : done())],
})
await webpacked('webpack.mjs', {
  experiments: { outputModule: true },
  output: { module: true, chunkFormat: 'module', library: { type: 'module' } },
  externals: { undici: 'module undici' },
})
await rolled('rollup.mjs', 'es')
await rolled('rollup.cjs', 'cjs')
await tsup({
  entry: { tsup: entry },
  format: ['esm', 'cjs'],
  outDir: resolve('bundles'),
  outExtension: ({ format }) => ({ js: format === 'esm' ? '.mjs' : '.cjs' }),
  target: 'node22',
  noExternal: [/^undici-resilience/],
  external: ['undici'],
  removeNodeProtocol: false,
  config: false,
  silent: true,
})

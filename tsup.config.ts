import { defineConfig } from 'tsup'
import { luaModule } from './lua-text.ts'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    sqlite: 'src/sqlite.ts',
  },
  format: 'esm',
  target: 'node22',
  platform: 'node',
  // esbuild would turn node:sqlite, which has no unprefixed name, into a module that does not exist
  removeNodeProtocol: false,
  dts: true,
  clean: true,
  sourcemap: true,
  splitting: true,
  esbuildPlugins: [
    {
      name: 'lua-text',
      setup(build) {
        build.onLoad({ filter: /\.lua$/ }, ({ path }) => ({ contents: luaModule(path), loader: 'js' }))
      },
    },
  ],
})

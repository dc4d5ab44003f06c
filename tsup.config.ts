import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'
import { luaModule } from './lua-text.ts'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    cli: 'src/cli/main.ts',
    redis: 'src/entries/redis.ts',
    sqlite: 'src/entries/sqlite.ts',
    postgres: 'src/entries/postgres.ts',
    rabbitmq: 'src/entries/rabbitmq.ts',
    bullmq: 'src/entries/bullmq.ts',
    pino: 'src/entries/pino.ts',
    'testing/contracts': 'src/testing/contracts.ts',
    'providers/hubspot': 'src/providers/hubspot.ts',
    'providers/calendly': 'src/providers/calendly.ts',
    'providers/acuity': 'src/providers/acuity.ts',
    'providers/cal-com': 'src/providers/cal-com.ts',
    'providers/sendgrid': 'src/providers/sendgrid.ts',
    'providers/mailchimp': 'src/providers/mailchimp.ts',
    'providers/stripe': 'src/providers/presets/stripe.ts',
    'providers/openai': 'src/providers/presets/openai.ts',
    'providers/anthropic': 'src/providers/presets/anthropic.ts',
    'providers/slack': 'src/providers/presets/slack.ts',
    'providers/resend': 'src/providers/presets/resend.ts',
    'providers/twilio': 'src/providers/presets/twilio.ts',
    'providers/github': 'src/providers/presets/github.ts',
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
  // what each entry exports: `commonjs.ts` needs it
  metafile: true,
  esbuildPlugins: [
    {
      name: 'lua-text',
      setup(build) {
        build.onLoad({ filter: /\.lua$/ }, ({ path }) => ({ contents: luaModule(path), loader: 'js' }))
      },
    },
    {
      // a devDependency, so that installing the package installs nothing else; its licence wants its notice to go along
      name: 'bundled-licence',
      setup(build) {
        build.onLoad({ filter: /node_modules[\\/]commander[\\/]index\.js$/ }, ({ path }) => {
          const licence = readFileSync(path.replace(/index\.js$/, 'LICENSE'), 'utf8')
          return { contents: `/*! commander\n${licence}*/\n${readFileSync(path, 'utf8')}`, loader: 'js' }
        })
      },
    },
  ],
})

import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { luaModule } from '../../lua-text.ts'

// Lets a child process run src/ directly under Node's type stripping: `node --import ./test/support/register.ts child.ts`
registerHooks({
  load(url, context, nextLoad) {
    if (!url.endsWith('.lua')) return nextLoad(url, context)
    return { format: 'module', shortCircuit: true, source: luaModule(fileURLToPath(url)) }
  },
})

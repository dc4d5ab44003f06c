import { MachineServer } from '../../support/simulation/machine-server.ts'
import { circuitBackendContract } from './circuit-backend.ts'

circuitBackendContract(
  'machines written down as JSON, in memory',
  () => {
    let now = 0
    const server = new MachineServer({ now: () => now })
    return Promise.resolve({
      backend: (by) => server.backend(by),
      setClock: (ms) => void (now = ms),
      lose: (id) => server.lose(id),
      dispose: () => Promise.resolve(),
    })
  },
  { traces: 500, lanes: 1 },
)

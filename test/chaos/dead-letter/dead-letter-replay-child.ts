import { Agent } from 'undici'
import { replayDeadLetters } from '../../../src/replay.ts'
import { type FleetPlace, fleetServer } from '../../support/fleet/fleet-server.ts'

// Replays again and again until it is killed. Tells the provider which process sends.
const [place = '{}', origin = '', lease = '1000', lapseDelay = '1000'] = process.argv.slice(2)
const leaseMs = Number(lease)
const { store } = fleetServer(JSON.parse(place) as FleetPlace, {})
const dispatcher = new Agent({ connections: 8 })

for (;;) {
  try {
    await replayDeadLetters(store.deadLetters, {
      allowedOrigins: [origin],
      dispatcher,
      credentials: () => ({ 'x-replayer': String(process.pid) }),
      concurrency: 4,
      ratePerSecond: Infinity,
      leaseMs,
      timeoutMs: leaseMs - 300,
      lapseDelayMs: Number(lapseDelay),
      maxReplays: 6,
      initialBackoffMs: 50,
      maxBackoffMs: 400,
    })
  } catch (error) {
    process.stderr.write(`${String(error)}\n`)
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
}

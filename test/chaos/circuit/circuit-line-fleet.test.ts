import { describe, test } from 'vitest'
import { checkLineFleet, lineFleetScenes } from '../../support/fleet/line-fleet-scenes.ts'

const SEEDS = 40
/** The same each time: what fails here fails again. `CIRCUIT_SEED=123456` for a look at others. */
const first = Number(process.env['CIRCUIT_SEED'] ?? 1)

describe('eight processes with a line each, many times', () => {
  test.each(lineFleetScenes)('$name', async (scene) => {
    let worst = { held: 0, heldMs: 0, newsMs: 0, openings: 0, probes: 0 }
    for (let seed = first; seed < first + SEEDS; seed++) {
      const { held, heldMs, newsMs, openings, probes } = await checkLineFleet(scene, seed)
      worst = {
        held: Math.max(worst.held, held),
        heldMs: Math.round(Math.max(worst.heldMs, heldMs.most)),
        newsMs: Math.round(Math.max(worst.newsMs, newsMs)),
        openings: Math.max(worst.openings, openings),
        probes: Math.max(worst.probes, probes),
      }
    }
    console.log(
      `${scene.name}\n  the most of seeds ${first} to ${first + SEEDS - 1}: ${JSON.stringify(worst)}`,
    )
  })
})

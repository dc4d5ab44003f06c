import { describe, expect, test } from 'vitest'
import { checkLineFleet, lineFleetScenes } from '../../../support/fleet/line-fleet-scenes.ts'

describe('eight processes with a line each', () => {
  test.each(lineFleetScenes)('$name', async (scene) => {
    for (const seed of [1, 2, 3]) expect(await checkLineFleet(scene, seed)).toBeDefined()
  })
})

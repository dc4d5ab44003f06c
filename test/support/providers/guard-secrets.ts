import { afterAll, beforeAll, expect } from 'vitest'
import type { Circuits, DeadLetterStore } from '../../../src/index.ts'
import { Evidence } from './evidence.ts'

/**
 * For the tests of a file: keeps every event and every record that they leave, and at the end searches them for the
 * credentials that the file uses. Gives back what keeps the records of a client before it is closed.
 */
export function guardSecrets(
  secrets: readonly string[],
): (holder: { readonly circuits: Circuits; readonly deadLetters: DeadLetterStore }) => Promise<void> {
  const evidence = new Evidence()
  let records = 0
  let stop = (): void => undefined
  beforeAll(() => {
    stop = evidence.listen()
  })
  afterAll(() => {
    stop()
    expect(records).toBeGreaterThan(0)
    expect(evidence.size).toBeGreaterThan(records)
    expect(evidence.holding(secrets)).toEqual([])
  })
  return async (holder) => {
    records += await evidence.addStore(holder)
  }
}

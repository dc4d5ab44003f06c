/**
 * How many turns of the event loop it takes until `promise` settles. For what has to happen at once, where milliseconds
 * would measure the machine: a process that stands still turns nothing, and a timer of a few milliseconds takes thousands.
 */
export async function turnsUntil(promise: Promise<unknown>): Promise<number> {
  let settled = false
  const end = (): void => void (settled = true)
  promise.then(end, end)
  let turns = 0
  for (; !settled; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
  return turns
}

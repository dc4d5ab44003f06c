import { stringOption } from '../../../options.ts'

/** Where an entry stands in a list. */
export interface ListPosition {
  readonly timestamp: number
  readonly id: string
}

/** The order of lists: by the time of capture, and by the id among those of one millisecond. */
export function newestFirst(a: ListPosition, b: ListPosition): number {
  return b.timestamp - a.timestamp || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0)
}

export function encodeCursor({ timestamp, id }: ListPosition): string {
  return Buffer.from(`${timestamp}:${id}`).toString('base64url')
}

/** @throws TypeError, RangeError for what no `encodeCursor` has made */
export function decodeCursor(cursor: unknown): ListPosition {
  const text = Buffer.from(stringOption('query.cursor', cursor), 'base64url').toString()
  const colon = text.indexOf(':')
  const timestamp = Number(text.slice(0, colon))
  if (colon < 1 || !Number.isFinite(timestamp)) {
    throw new RangeError(`\`query.cursor\` must be the \`cursor\` of a page, got ${JSON.stringify(cursor)}`)
  }
  return { timestamp, id: text.slice(colon + 1) }
}

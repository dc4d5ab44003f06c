/** An id as one segment of a path. */
export function segment(name: string, value: string | number): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || text === '') {
    throw new TypeError(`\`${name}\` must be a non-empty string or a number, got ${JSON.stringify(value)}`)
  }
  // '..' would climb to another endpoint, encoded or not
  if (text === '.' || text === '..') {
    throw new RangeError(`\`${name}\` must be an id, got ${JSON.stringify(text)}`)
  }
  return encodeURIComponent(text)
}

import { createHash } from 'node:crypto'

/** The body of call n: 64 to 1,900 bytes that follow from n alone, so that every process can tell whether they are whole. */
export function chaosBody(n: number): Buffer {
  const seed = createHash('sha512').update(String(n)).digest()
  return Buffer.concat(Array.from({ length: 1 + (n % 30) }, () => seed))
}

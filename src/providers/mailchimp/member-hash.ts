import { createHash } from 'node:crypto'

/**
 * The id of a member in Mailchimp's urls: the MD5 of the e-mail address in lower case.
 *
 * @throws TypeError, RangeError for what is no e-mail address: its hash would name nobody, and quietly add nobody
 * @see https://mailchimp.com/developer/marketing/docs/methods-parameters/#path-parameters
 */
export function memberHash(email: string): string {
  if (typeof email !== 'string') {
    throw new TypeError(`\`email\` must be an e-mail address, got ${String(email)}`)
  }
  if (!/^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/.test(email)) {
    throw new RangeError(`\`email\` must be an e-mail address, got ${JSON.stringify(email)}`)
  }
  return createHash('md5').update(email.toLowerCase()).digest('hex')
}

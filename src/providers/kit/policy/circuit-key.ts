import { createHash } from 'node:crypto'
import type { CallRequest } from '../../../call/call-request.ts'

/** Twelve hex digits that tell credentials apart and lead back to none. */
export function credentialHash(credential: string): string {
  return createHash('sha256').update(credential).digest('hex').slice(0, 12)
}

/**
 * A circuit per origin and credential: where a provider limits and blocks by account, one customer's trouble must not
 * close the door on the others. A token that is renewed begins with a new, closed circuit.
 *
 * @returns `https://api.example.com#1f2e3d4c5b6a`; the origin alone for a request without the header
 */
export function perCredential(header = 'authorization'): (request: CallRequest) => string {
  return (request) => {
    const credential = request.headers[header]
    return credential === undefined ? request.origin : `${request.origin}#${credentialHash(credential)}`
  }
}

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { objectOption, stringOption } from '../options.ts'
import { originOf, type DeadLetterRecord } from './record.ts'

/**
 * Keys for sealing: what redaction takes out of a record is kept beside it, encrypted (AES-256-GCM), so that the entry
 * can be replayed. To rotate, add a key and make it current; keep the old one until its entries are gone.
 */
export interface SealKeys {
  /** Id of the key that seals new records. */
  current: string
  /** Each key by its id: 32 bytes, or 64 hexadecimal digits, or their base64. */
  keys: Readonly<Record<string, Uint8Array | string>>
}

/** What a seal holds: the request as it was sent, without its credential headers. */
export interface SealedRequest {
  /** With query, without userinfo. */
  url: string
  /** Headers that are not kept in the open; none with a credential by its name. */
  headers: Record<string, string | string[]>
  body: Uint8Array | undefined
}

/** The key is not in the ring, or the sealed bytes are not what was sealed for this entry. */
export class SealError extends Error {
  readonly code = 'ERR_DEAD_LETTER_SEAL'
  override readonly name = 'SealError'
}

const IV_BYTES = 12
const TAG_BYTES = 16
const MAX_HEAD_BYTES = 256 * 1024

/** A checked key ring. */
export class Seal {
  readonly current: string
  readonly #keys = new Map<string, Buffer>()

  /** @throws TypeError, RangeError naming the option */
  constructor(options: SealKeys) {
    objectOption('seal', options, ['current', 'keys'])
    this.current = stringOption('seal.current', options.current)
    if (typeof options.keys !== 'object' || options.keys === null) {
      throw new TypeError('`seal.keys` must be an object of keys by their id')
    }
    for (const [id, key] of Object.entries(options.keys)) this.#keys.set(id, keyBytes(`seal.keys.${id}`, key))
    if (!this.#keys.has(this.current)) {
      throw new RangeError(
        `\`seal.current\` must be the id of one of \`seal.keys\`, got ${JSON.stringify(this.current)}`,
      )
    }
  }

  close(
    entry: Pick<DeadLetterRecord, 'id' | 'request'>,
    content: SealedRequest,
  ): { keyId: string; data: Uint8Array } {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#keys.get(this.current)!, iv)
    cipher.setAAD(boundTo(entry, this.current))
    const head = Buffer.from(
      JSON.stringify({ url: content.url, headers: content.headers, body: !!content.body }),
    )
    const length = Buffer.alloc(4)
    length.writeUInt32BE(head.byteLength)
    const parts = [cipher.update(length), cipher.update(head)]
    if (content.body !== undefined) parts.push(cipher.update(content.body))
    parts.push(cipher.final())
    return { keyId: this.current, data: Buffer.concat([iv, cipher.getAuthTag(), ...parts]) }
  }

  /** @throws {SealError} */
  open(entry: Pick<DeadLetterRecord, 'id' | 'request' | 'sealed'>): SealedRequest {
    const { sealed } = entry
    if (sealed?.data === undefined) throw new SealError('the entry holds no sealed data')
    const key = this.#keys.get(sealed.keyId)
    if (key === undefined)
      throw new SealError(`the key ${JSON.stringify(sealed.keyId)} is not in \`seal.keys\``)
    const data = Buffer.from(sealed.data.buffer, sealed.data.byteOffset, sealed.data.byteLength)
    if (data.byteLength < IV_BYTES + TAG_BYTES + 4) throw new SealError('the sealed data is too short')
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, IV_BYTES), {
        authTagLength: TAG_BYTES,
      })
      decipher.setAAD(boundTo(entry, sealed.keyId))
      decipher.setAuthTag(data.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
      const plain = Buffer.concat([decipher.update(data.subarray(IV_BYTES + TAG_BYTES)), decipher.final()])
      return unpack(plain)
    } catch (error) {
      if (error instanceof SealError) throw error
      throw new SealError('the sealed data was changed, or belongs to another entry, origin or key', {
        cause: error,
      })
    }
  }
}

/** A seal cut out of one entry does not open in another, nor after the origin was exchanged. */
function boundTo(entry: Pick<DeadLetterRecord, 'id' | 'request'>, keyId: string): Buffer {
  return Buffer.from(JSON.stringify([1, entry.id, originOf(entry), keyId]))
}

function unpack(plain: Buffer): SealedRequest {
  const length = plain.readUInt32BE(0)
  if (length > MAX_HEAD_BYTES || length > plain.byteLength - 4)
    throw new SealError('the sealed data is malformed')
  const head = JSON.parse(plain.toString('utf8', 4, 4 + length)) as {
    url: string
    headers: object
    body: boolean
  }
  const headers = Object.assign(Object.create(null) as SealedRequest['headers'], head.headers)
  return { url: String(head.url), headers, body: head.body ? plain.subarray(4 + length) : undefined }
}

function keyBytes(name: string, key: unknown): Buffer {
  const bytes =
    typeof key === 'string'
      ? Buffer.from(key, /^[0-9a-f]{64}$/i.test(key) ? 'hex' : 'base64')
      : key instanceof Uint8Array
        ? Buffer.from(key)
        : undefined
  if (bytes === undefined)
    throw new TypeError(`\`${name}\` must be 32 bytes, or a string of them in hex or base64`)
  // the value is a secret: only its length is said
  if (bytes.byteLength !== 32) throw new RangeError(`\`${name}\` must be 32 bytes, got ${bytes.byteLength}`)
  return bytes
}

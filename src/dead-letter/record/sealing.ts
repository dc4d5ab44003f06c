import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { objectOption, stringOption } from '../../options.ts'
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

/** What a seal holds in secret: the request as it was sent, without its credential headers. */
export interface SealedRequest {
  /** With query, without userinfo. */
  url: string
  /** Headers that are not kept in the open; none with a credential by its name. */
  headers: Record<string, string | string[]>
  body: Uint8Array | undefined
}

/** Whether what a seal holds beside the body is short enough to be opened again. */
export function fitsSeal({ url, headers }: Omit<SealedRequest, 'body'>): boolean {
  return Buffer.byteLength(JSON.stringify({ url, headers, body: false })) <= MAX_HEAD_BYTES
}

/** What a seal is bound to. */
type BoundRecord = Pick<
  DeadLetterRecord,
  | 'id'
  | 'integration'
  | 'request'
  | 'idempotencyKey'
  | 'idempotencyHeader'
  | 'repeatable'
  | 'delivery'
  | 'labels'
>

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

  /**
   * @param name the path of the option, for messages
   * @throws TypeError, RangeError naming the option
   */
  constructor(options: SealKeys, name = 'seal') {
    objectOption(name, options, ['current', 'keys'])
    this.current = stringOption(`${name}.current`, options.current)
    if (typeof options.keys !== 'object' || options.keys === null) {
      throw new TypeError(`\`${name}.keys\` must be an object of keys by their id`)
    }
    for (const [id, key] of Object.entries(options.keys)) {
      this.#keys.set(id, keyBytes(`${name}.keys.${id}`, key))
    }
    if (!this.#keys.has(this.current)) {
      throw new RangeError(
        `\`${name}.current\` must be the id of one of \`${name}.keys\`, got ${JSON.stringify(this.current)}`,
      )
    }
  }

  /** @param entry whole but for its seal: it does not open again in any other, nor in this one once it was changed */
  close(entry: BoundRecord, content: SealedRequest): { keyId: string; data: Uint8Array } {
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
  open(entry: BoundRecord & Pick<DeadLetterRecord, 'sealed'>): SealedRequest {
    const { sealed } = entry
    if (sealed?.data === undefined) throw new SealError('the entry holds no sealed data')
    const key = this.#keys.get(sealed.keyId)
    if (key === undefined) {
      throw new SealError(`the key ${JSON.stringify(sealed.keyId)} is not in \`seal.keys\``)
    }
    const data = Buffer.from(sealed.data.buffer, sealed.data.byteOffset, sealed.data.byteLength)
    if (data.byteLength < IV_BYTES + TAG_BYTES + 4) throw new SealError('the sealed data is too short')
    const plain = decrypted(data, key, boundTo(entry, sealed.keyId))
    if (plain !== undefined) return unpack(plain)
    if (decrypted(data, key, boundByFirstVersion(entry, sealed.keyId)) !== undefined) {
      throw new SealError(
        'it was sealed by an earlier version, which did not bind its method and headers: edit it, or discard it',
      )
    }
    throw new SealError(
      'its sealed data, or what the seal is bound to, was changed: method, url, headers, key',
    )
  }
}

/** `undefined` when it was sealed with another key, or bound to something else, or changed. */
function decrypted(data: Buffer, key: Buffer, bound: Buffer): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(bound)
  decipher.setAuthTag(data.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
  const plain = decipher.update(data.subarray(IV_BYTES + TAG_BYTES))
  try {
    return Buffer.concat([plain, decipher.final()])
  } catch {
    // how GCM says that it is not authentic
    return undefined
  }
}

/**
 * What an entry is by which it is sent: where to and how, with whose credentials (`credentials` may go by integration and
 * labels), and whether it may be sent twice. None of it can be changed, nor the seal put into another entry.
 */
function boundTo(entry: BoundRecord, keyId: string): Buffer {
  const { request, labels } = entry
  return Buffer.from(
    JSON.stringify([
      2,
      keyId,
      entry.id,
      entry.integration,
      request.method,
      request.url,
      pairs(request.headers),
      request.omittedHeaders ?? [],
      request.redactedQuery ?? [],
      request.bytes,
      request.sha256 ?? null,
      entry.idempotencyKey ?? null,
      entry.idempotencyHeader ?? null,
      entry.repeatable ?? null,
      entry.delivery,
      pairs(labels ?? {}),
    ]),
  )
}

/** In one order, whatever a store makes of an object. */
function pairs(values: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))
}

function boundByFirstVersion(entry: BoundRecord, keyId: string): Buffer {
  return Buffer.from(JSON.stringify([1, entry.id, originOf(entry), keyId]))
}

function unpack(plain: Buffer): SealedRequest {
  const length = plain.readUInt32BE(0)
  if (length > MAX_HEAD_BYTES || length > plain.byteLength - 4) {
    throw new SealError('the sealed data is malformed')
  }
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
  if (bytes === undefined) {
    throw new TypeError(`\`${name}\` must be 32 bytes, or a string of them in hex or base64`)
  }
  // the value is a secret: only its length is said
  if (bytes.byteLength !== 32) throw new RangeError(`\`${name}\` must be 32 bytes, got ${bytes.byteLength}`)
  return bytes
}

import { InputError } from '../../operation-error.ts'
import type { RecordEdit } from './edited-record.ts'

const fields = ['url', 'method', 'headers', 'body'] as const

/**
 * Reads `{ "url": ..., "method": ..., "headers": { "x-new": "1", "x-old": null }, "body": "text", or any JSON }`.
 * @throws {InputError} that says what is wrong with it
 */
export function editFromJson(json: string): RecordEdit {
  const value = parse(json)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw wrong('must hold a JSON object')
  }
  const { url, method, headers, body } = value as Readonly<Record<(typeof fields)[number], unknown>>
  for (const key of Object.keys(value)) {
    if (!(fields as readonly string[]).includes(key)) {
      throw wrong(`has no field "${key}"; it knows ${fields.join(', ')}`)
    }
  }
  if (url !== undefined && typeof url !== 'string') throw wrong('`url` must be a string')
  if (method !== undefined && typeof method !== 'string') throw wrong('`method` must be a string')
  return {
    ...(url === undefined ? {} : { url }),
    ...(method === undefined ? {} : { method }),
    ...(headers === undefined ? {} : headersEdit(headers)),
    ...(body === undefined ? {} : { body: bodyOf(body) }),
  }
}

function headersEdit(headers: unknown): Pick<RecordEdit, 'setHeaders' | 'removeHeaders'> {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw wrong('`headers` must be an object')
  }
  const setHeaders: [string, string][] = []
  const removeHeaders: string[] = []
  for (const [name, value] of Object.entries(headers) as [string, unknown][]) {
    if (value === null) removeHeaders.push(name)
    else if (typeof value === 'string') setHeaders.push([name, value])
    else throw wrong(`\`headers.${name}\` must be a string, or null to remove it`)
  }
  return { setHeaders, removeHeaders }
}

function bodyOf(body: unknown): Uint8Array | null {
  if (body === null) return null
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (error) {
    throw wrong(`is not JSON: ${(error as Error).message}`)
  }
}

function wrong(problem: string): InputError {
  return new InputError('edit', problem)
}

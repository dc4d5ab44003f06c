import { readFile } from 'node:fs/promises'
import { CliError } from './cli-error.ts'
import type { RecordEdit } from './edited-record.ts'

export interface EditOptions {
  url?: string
  method?: string
  header?: string[]
  removeHeader?: string[]
  body?: string | false
  bodyFile?: string
  file?: string
}

/** What the options, or the JSON file of `--file`, ask for. */
export async function editOf(options: EditOptions): Promise<RecordEdit> {
  const bodies = [options.body, options.bodyFile].filter((one) => one !== undefined)
  if (bodies.length > 1) throw new CliError('give one of --body, --body-file and --no-body')
  const fromFile = options.file === undefined ? {} : fileEdit(await text(options.file))
  const body =
    options.bodyFile !== undefined
      ? await bytes(options.bodyFile)
      : typeof options.body === 'string'
        ? Buffer.from(options.body)
        : options.body === false
          ? null
          : undefined
  const edit: RecordEdit = {
    ...fromFile,
    ...(options.url === undefined ? {} : { url: options.url }),
    ...(options.method === undefined ? {} : { method: options.method }),
    ...(options.header === undefined ? {} : { setHeaders: options.header.map(headerOption) }),
    ...(options.removeHeader === undefined ? {} : { removeHeaders: options.removeHeader }),
    ...(body === undefined ? {} : { body }),
  }
  if (Object.keys(edit).length === 0) {
    throw new CliError(
      'what is to change? --url, --method, --header, --remove-header, --body, --body-file or --file',
    )
  }
  return edit
}

function headerOption(given: string): readonly [string, string] {
  const colon = given.indexOf(':')
  if (colon < 1) throw new CliError('--header must be <name>: <value>')
  return [given.slice(0, colon).trim(), given.slice(colon + 1).trim()]
}

const fields = ['url', 'method', 'headers', 'body'] as const

/** `{ "url": ..., "method": ..., "headers": { "x-new": "1", "x-old": null }, "body": "text", or any JSON }`. */
export function fileEdit(json: string): RecordEdit {
  const value = parse(json)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong('must hold a JSON object')
  const { url, method, headers, body } = value as Readonly<Record<(typeof fields)[number], unknown>>
  for (const key of Object.keys(value)) {
    if (!(fields as readonly string[]).includes(key))
      throw wrong(`has no field "${key}"; it knows ${fields.join(', ')}`)
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
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers))
    throw wrong('`headers` must be an object')
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

function wrong(message: string): CliError {
  return new CliError(`--file ${message}`)
}

async function text(path: string): Promise<string> {
  return (await bytes(path)).toString('utf8')
}

async function bytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new CliError(`cannot read ${path}: ${(error as Error).message}`)
  }
}

import { readFile } from 'node:fs/promises'
import { editFromJson } from '../../operations/entries/edit/edit-from-json.ts'
import type { RecordEdit } from '../../operations/entries/edit/edited-record.ts'
import { CliError } from '../cli-error.ts'

export interface EditOptions {
  url?: string
  method?: string
  header?: string[]
  removeHeader?: string[]
  body?: string | false
  bodyFile?: string
  file?: string
  redact?: boolean
}

/** What the options, or the JSON file of `--file`, ask for. */
export async function editOf(options: EditOptions): Promise<RecordEdit> {
  const bodies = [options.body, options.bodyFile].filter((one) => one !== undefined)
  if (bodies.length > 1) throw new CliError('give one of --body, --body-file and --no-body')
  const fromFile = options.file === undefined ? {} : editFromJson(await text(options.file))
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
      'what is to change? --url, --method, --header, --remove-header, --body, --body-file, --no-body or --file',
    )
  }
  return options.redact === false ? { ...edit, redact: false } : edit
}

function headerOption(given: string): readonly [string, string] {
  const colon = given.indexOf(':')
  if (colon < 1) throw new CliError('--header must be <name>: <value>')
  return [given.slice(0, colon).trim(), given.slice(colon + 1).trim()]
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

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ReplayOptions } from '../../dead-letter/replay/options.ts'
import {
  checkOriginHeader,
  type Credentials,
  type OriginHeader,
  withOriginHeaders,
} from '../../operations/replay/credentials.ts'
import type { ReplayClassifyOptions } from '../../replay.ts'
import { CliError } from '../cli-error.ts'

/** What a module of `--credentials` may export beside its default. */
type ModuleExports = {
  readonly [Name in 'seal' | 'decide']: ReplayOptions[Name] | undefined
} & {
  readonly [Name in 'classify' | 'inspectBody']: ReplayClassifyOptions[Name] | undefined
}

const readNames = ['seal', 'decide', 'classify', 'inspectBody'] as const satisfies (keyof ModuleExports)[]

/** Node gives what `module.exports` of CommonJS is under these names, too. */
const exportNames: ReadonlySet<string> = new Set(['default', 'module.exports', '__esModule', ...readNames])

type Secrets = ModuleExports & { readonly credentials: Credentials }

interface CredentialOptions {
  readonly credentials?: string
  readonly credentialsEnv?: readonly string[]
}

/**
 * What `--credentials` and `--credentials-env` say; the environment goes over the module.
 * @throws {CliError, InputError} that never say a value
 */
export async function credentialsOf(
  options: CredentialOptions,
  allowedOrigins: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<Secrets> {
  const headers = (options.credentialsEnv ?? []).map((text) =>
    checkOriginHeader('credentialsEnv', environmentHeader(text, environment), allowedOrigins),
  )
  const module = options.credentials === undefined ? undefined : await credentialsModule(options.credentials)
  return {
    credentials: withOriginHeaders(module?.credentials, headers),
    seal: module?.seal,
    decide: module?.decide,
    classify: module?.classify,
    inspectBody: module?.inspectBody,
  }
}

/**
 * Reads `https://api.hubapi.com=authorization:HUBSPOT_AUTH`: the header's value is what the environment holds under
 * the name, and goes to that origin alone.
 */
function environmentHeader(text: string, environment: NodeJS.ProcessEnv): OriginHeader {
  // the credential itself in place of the name of a variable is not to be said again
  const match = /^(.+)=([^=:]+):([A-Za-z_]\w*)$/.exec(text)
  const [, origin = '', header = '', variable = ''] = match ?? []
  if (match === null) {
    throw new CliError(
      '--credentials-env must be <origin>=<header>:<VARIABLE>, as in https://api.hubapi.com=authorization:HUBSPOT_AUTH',
    )
  }
  const value = environment[variable]
  if (value === undefined || value === '') {
    throw new CliError(`--credentials-env: the environment has no ${variable}`)
  }
  return { origin, header, value }
}

/** Loads a module whose default export gives the credentials of a record; what else it exports are options. */
async function credentialsModule(path: string): Promise<Secrets> {
  let loaded: ModuleExports & { default?: unknown }
  try {
    loaded = (await import(pathToFileURL(resolve(path)).href)) as typeof loaded
  } catch (error) {
    throw new CliError(`--credentials: cannot load ${path}: ${(error as Error).message}`)
  }
  if (typeof loaded.default !== 'function') {
    throw new CliError(
      `--credentials: ${path} must export a function by default: export default (record) => ({ authorization: '...' })`,
    )
  }
  // what is read under no name would not be heard: a `decide` with a typo sends everything
  const unread = Object.keys(loaded).find((name) => !exportNames.has(name))
  if (unread !== undefined) {
    throw new CliError(
      `--credentials: ${path} exports \`${unread}\`, which is not read: beside its default it may export ${readNames.join(', ')}`,
    )
  }
  const { seal, decide, classify, inspectBody } = loaded
  return { credentials: loaded.default as Credentials, seal, decide, classify, inspectBody }
}

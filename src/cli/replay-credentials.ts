import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { originOf, type DeadLetter } from '../dead-letter/record.ts'
import { isTransportHeader } from '../dead-letter/redaction.ts'
import type { ReplayCredentials, ReplayOptions } from '../dead-letter/replay.ts'
import { checkHeader } from './checked-record.ts'
import { CliError } from './cli-error.ts'
import { checkOrigin } from './checked-origin.ts'

type Credentials = NonNullable<ReplayOptions['credentials']>
type Seal = NonNullable<ReplayOptions['seal']>

/** What a `--credentials` module exports. */
export interface CredentialsModule {
  readonly credentials: Credentials
  readonly seal: Seal | undefined
}

/**
 * Reads `https://api.hubapi.com=authorization:HUBSPOT_AUTH`: the header's value is what the environment holds under
 * the name, and goes to that origin alone.
 * @throws {CliError} that never says the value
 */
export function environmentHeader(
  text: string,
  environment: NodeJS.ProcessEnv,
): { origin: string; header: string; value: string } {
  const match = /^(.+)=([^=:]+):([^=:]+)$/.exec(text)
  const [, origin = '', name = '', variable = ''] = match ?? []
  if (match === null) {
    throw new CliError(
      '--credentials-env must be <origin>=<header>:<VARIABLE>, as in https://api.hubapi.com=authorization:HUBSPOT_AUTH',
    )
  }
  checkOrigin('--credentials-env', origin)
  const header = name.toLowerCase()
  const value = environment[variable]
  if (value === undefined || value === '') {
    throw new CliError(`--credentials-env: the environment has no ${variable}`)
  }
  try {
    checkHeader(header, value)
  } catch (error) {
    throw new CliError(`--credentials-env: ${(error as Error).message}`)
  }
  if (isTransportHeader(header))
    throw new CliError(`--credentials-env: the header "${header}" is made by the client`)
  return { origin, header, value }
}

export async function credentialsModule(path: string): Promise<CredentialsModule> {
  let loaded: { default?: unknown; seal?: unknown }
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
  return { credentials: loaded.default as Credentials, seal: loaded.seal as Seal | undefined }
}

/** Both sources as one; what the environment says goes over what the module says. */
export function combinedCredentials(
  module: Credentials | undefined,
  headers: readonly ReturnType<typeof environmentHeader>[],
): Credentials {
  return async (record: DeadLetter): Promise<ReplayCredentials> => {
    const given = (await module?.(record)) ?? {}
    const origin = originOf(record)
    const own = headers
      .filter((one) => one.origin === origin)
      .map(({ header, value }) => [header, value] as const)
    if (own.length === 0) return given
    const split = given as { headers?: Record<string, string>; query?: Record<string, string> }
    const isSplit = typeof split.headers === 'object' || typeof split.query === 'object'
    const before = isSplit ? (split.headers ?? {}) : (given as Record<string, string>)
    const merged = { ...before, ...Object.fromEntries(own) }
    return isSplit && split.query !== undefined
      ? { headers: merged, query: split.query }
      : { headers: merged }
  }
}

export interface CredentialOptions {
  readonly credentials?: string
  readonly credentialsEnv?: readonly string[]
}

/** What `--credentials` and `--credentials-env` say. */
export async function replayCredentials(
  options: CredentialOptions,
  allowedOrigins: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<{ credentials: Credentials; seal: Seal | undefined }> {
  const headers = (options.credentialsEnv ?? []).map((text) => environmentHeader(text, environment))
  for (const { origin } of headers) {
    if (!allowedOrigins.includes(origin)) {
      throw new CliError(`--credentials-env names ${origin}, which no --allow-origin allows`)
    }
  }
  const module = options.credentials === undefined ? undefined : await credentialsModule(options.credentials)
  return { credentials: combinedCredentials(module?.credentials, headers), seal: module?.seal }
}

import { type RedisClient, serversOf } from './connection.ts'

/** The fields of INFO. */
export type ServerInfo = Readonly<Record<string, string>>

export function parseInfo(text: string): ServerInfo {
  const fields = Object.create(null) as Record<string, string>
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0 && !line.startsWith('#')) fields[line.slice(0, colon)] = line.slice(colon + 1)
  }
  return fields
}

/** What a server does when it is full: any policy but `noeviction` deletes keys, dead letters among them. */
interface EvictionPolicy {
  /** `unknown` where the server does not tell. */
  readonly name: string
  readonly keepsKeys: boolean
}

export function evictionPolicyOf(info: ServerInfo): EvictionPolicy {
  const name = info['maxmemory_policy'] ?? 'unknown'
  return { name, keepsKeys: name === 'noeviction' }
}

/** Warns once when a server may delete dead letters by itself. Rejects when one does not tell. */
export async function warnOfEviction(client: RedisClient): Promise<void> {
  for (const server of serversOf(client)) {
    const { name, keepsKeys } = evictionPolicyOf(parseInfo(await server.info('memory')))
    if (keepsKeys || name === 'unknown') continue
    process.emitWarning(
      `Redis may delete dead letters to free memory: its maxmemory-policy is ${name}, not noeviction. ` +
        'Keep dead letters on a server of their own, or set the policy.',
      'ResilienceWarning',
    )
    return
  }
}

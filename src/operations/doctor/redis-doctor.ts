import { isCluster, type RedisClient, serversOf } from '../../stores/redis/connection.ts'
import { parseInfo } from '../../stores/redis/eviction-policy.ts'
import { escapeGlob } from '../../stores/redis/glob.ts'
import { bytesText } from '../bytes-text.ts'
import { circuitDirectory } from '../circuits/directory.ts'
import type { OpenedStore } from '../stores/open-store.ts'
import { type Finding, ok } from './finding.ts'
import { redisFindings } from './redis-findings.ts'

const PINGS = 20
/** A scan of a shared server stops here: what is counted by then is said with a +. */
const MAX_SCANS = 200

/** Looks at each server, changing nothing. */
export async function redisDoctor(
  client: RedisClient,
  prefix: string,
  store: OpenedStore,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const servers = serversOf(client)
  for (const server of servers) {
    const own: Finding[] = redisFindings({
      info: parseInfo(await server.info()),
      cluster: isCluster(client),
      ...(await clockOf(server)),
      pings: await pingsOf(server),
    })
    own.push(ok('keys', await keysOf(server, prefix)))
    const { host, port } = server.options
    for (const finding of own) {
      findings.push(
        servers.length === 1 ? finding : { ...finding, check: `${host}:${port} ${finding.check}` },
      )
    }
  }
  const { total, bytes, due } = await store.deadLetters.stats()
  findings.push(ok('dead letters', `${total}, ${bytesText(bytes)}, ${due} due`))
  findings.push(ok('circuits', String((await circuitDirectory(store).list()).length)))
  return findings
}

type Server = ReturnType<typeof serversOf>[number]

async function clockOf(server: Server): Promise<{ skewMs: number; skewErrorMs: number }> {
  const before = Date.now()
  const [seconds, micros] = await server.time()
  const after = Date.now()
  const there = Number(seconds) * 1000 + Number(micros) / 1000
  return { skewMs: there - (before + after) / 2, skewErrorMs: (after - before) / 2 + 1 }
}

async function pingsOf(server: Server): Promise<number[]> {
  const pings: number[] = []
  for (let at = 0; at < PINGS; at++) {
    const before = performance.now()
    await server.ping()
    pings.push(performance.now() - before)
  }
  return pings.sort((a, b) => a - b)
}

async function keysOf(server: Server, prefix: string): Promise<string> {
  const all = await server.dbsize()
  const pattern = `${escapeGlob(prefix)}*`
  let ours = 0
  let cursor = '0'
  let scans = 0
  do {
    const [next, keys] = await server.scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
    cursor = next
    ours += keys.length
  } while (cursor !== '0' && ++scans < MAX_SCANS)
  return `${ours}${cursor === '0' ? '' : '+'} with the prefix ${prefix}, ${all} in the database`
}

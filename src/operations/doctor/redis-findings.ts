import { evictionPolicyOf, type ServerInfo } from '../../stores/redis/eviction-policy.ts'
import { bytesText } from '../bytes-text.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

/** What was read from a server. */
export interface RedisFacts {
  readonly info: ServerInfo
  readonly cluster: boolean
  /** The server's clock minus ours, in milliseconds, and how far off that may be. */
  readonly skewMs: number
  readonly skewErrorMs: number
  /** Round trips of PING, in milliseconds, sorted. */
  readonly pings: readonly number[]
}

const OLDEST_MAJOR = 7
const MAX_SKEW_MS = 1000
const SLOW_PING_MS = 50

export function redisFindings(facts: RedisFacts): Finding[] {
  const { info } = facts
  return [
    versionFinding(info),
    roleFinding(info, facts.cluster),
    policyFinding(info),
    memoryFinding(info),
    persistenceFinding(info),
    clockFinding(facts),
    latencyFinding(facts.pings),
  ]
}

function versionFinding(info: ServerInfo): Finding {
  const valkey = info['valkey_version']
  if (valkey !== undefined) return ok('server', `Valkey ${valkey}`)
  const version = info['redis_version'] ?? 'unknown'
  if (Number.parseInt(version, 10) >= OLDEST_MAJOR) return ok('server', `Redis ${version}`)
  return fail('server', `Redis ${version}`, 'redisStore needs Redis >= 7.0 or Valkey')
}

function roleFinding(info: ServerInfo, cluster: boolean): Finding {
  const role = info['role'] ?? 'unknown'
  const where = cluster ? `${role} of a cluster` : role
  if (role === 'master') return ok('role', where)
  return fail('role', where, 'a replica refuses writes: point the application at the master, or use Sentinel')
}

function policyFinding(info: ServerInfo): Finding {
  const { name, keepsKeys } = evictionPolicyOf(info)
  if (keepsKeys) return ok('maxmemory-policy', name)
  const unlimited = info['maxmemory'] === '0' ? '; no limit is set now' : ''
  return warn(
    'maxmemory-policy',
    `${name}${unlimited}`,
    'a full server would silently delete dead letters: set noeviction, or use a Redis of their own',
  )
}

function memoryFinding(info: ServerInfo): Finding {
  const used = Number(info['used_memory'] ?? 0)
  const max = Number(info['maxmemory'] ?? 0)
  if (max === 0) return ok('memory', `${bytesText(used)} used, no limit`)
  const found = `${bytesText(used)} of ${bytesText(max)} used`
  return used / max < 0.9
    ? ok('memory', found)
    : warn('memory', found, 'nearly full: captures would go to the spool')
}

function persistenceFinding(info: ServerInfo): Finding {
  if (info['loading'] === '1') {
    return fail('persistence', 'the server is loading its data', 'wait until it is done')
  }
  if (info['aof_enabled'] === '1') {
    return info['aof_last_write_status'] === 'ok'
      ? ok('persistence', 'append-only file')
      : fail('persistence', 'the append-only file cannot be written', 'look at the disk of the server')
  }
  if (info['rdb_last_bgsave_status'] !== 'ok') {
    return fail('persistence', 'the last snapshot failed', 'look at the disk of the server')
  }
  const advice =
    'without appendonly yes a crash loses what came after the last snapshot, dead letters included'
  const saved = Number(info['rdb_last_save_time'] ?? 0)
  const started = Date.now() / 1000 - Number(info['uptime_in_seconds'] ?? 0)
  return warn('persistence', saved > started + 1 ? 'snapshots only' : 'snapshots only, or none', advice)
}

function clockFinding({ skewMs, skewErrorMs }: RedisFacts): Finding {
  const found = `${skewMs >= 0 ? '+' : ''}${Math.round(skewMs)} ms (± ${Math.ceil(skewErrorMs)} ms)`
  if (Math.abs(skewMs) - skewErrorMs <= MAX_SKEW_MS) return ok('clock skew', found)
  return warn('clock skew', found, 'times of capture would not agree: let both machines keep time by NTP')
}

function latencyFinding(pings: readonly number[]): Finding {
  const p50 = pings[Math.floor(pings.length / 2)] ?? 0
  const max = pings.at(-1) ?? 0
  const found = `p50 ${p50.toFixed(1)} ms, max ${max.toFixed(1)} ms of ${pings.length}`
  return p50 <= SLOW_PING_MS
    ? ok('latency', found)
    : warn('latency', found, 'calls never wait for it, transitions spread later')
}

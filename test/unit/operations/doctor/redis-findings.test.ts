import { describe, expect, it } from 'vitest'
import { redisFindings, type RedisFacts } from '../../../../src/operations/doctor/redis-findings.ts'
import { parseInfo } from '../../../../src/stores/redis/eviction-policy.ts'

const healthy: RedisFacts = {
  info: parseInfo(
    [
      '# Server',
      'redis_version:7.2.4',
      'role:master',
      'maxmemory_policy:noeviction',
      'maxmemory:0',
      'used_memory:1048576',
      'aof_enabled:1',
      'aof_last_write_status:ok',
      'loading:0',
    ].join('\r\n'),
  ),
  cluster: false,
  skewMs: 3,
  skewErrorMs: 1,
  pings: [0.2, 0.3, 0.9],
}

function levels(changes: Record<string, string>, facts: Partial<RedisFacts> = {}): Record<string, string> {
  const findings = redisFindings({ ...healthy, ...facts, info: { ...healthy.info, ...changes } })
  return Object.fromEntries(
    findings.filter(({ level }) => level !== 'ok').map(({ check, level }) => [check, level]),
  )
}

describe('redisFindings', () => {
  it('has nothing to say about a healthy server', () => {
    expect(levels({})).toEqual({})
  })

  it.each([
    ['an old server', { redis_version: '6.2.14' }, { server: 'fail' }],
    ['a replica', { role: 'slave' }, { role: 'fail' }],
    ['eviction', { maxmemory_policy: 'allkeys-lru' }, { 'maxmemory-policy': 'warn' }],
    ['a full server', { maxmemory: '1100000' }, { memory: 'warn' }],
    ['a disk that is full', { aof_last_write_status: 'err' }, { persistence: 'fail' }],
    ['snapshots alone', { aof_enabled: '0', rdb_last_bgsave_status: 'ok' }, { persistence: 'warn' }],
    ['snapshots that fail', { aof_enabled: '0', rdb_last_bgsave_status: 'err' }, { persistence: 'fail' }],
    ['loading', { loading: '1' }, { persistence: 'fail' }],
  ])('finds %s', (_name, info, expected) => {
    expect(levels(info)).toEqual(expected)
  })

  it('finds clocks apart, beyond what the round trip may explain', () => {
    expect(levels({}, { skewMs: -5000, skewErrorMs: 2 })).toEqual({ 'clock skew': 'warn' })
    expect(levels({}, { skewMs: -5000, skewErrorMs: 4500 })).toEqual({})
  })

  it('knows Valkey by its own version', () => {
    expect(levels({ valkey_version: '8.1.0', redis_version: '7.2.4' })).toEqual({})
  })
})

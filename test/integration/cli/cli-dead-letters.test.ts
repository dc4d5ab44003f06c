import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deadLetterId } from '../../../src/dead-letter/id.ts'
import { createOutbox } from '../../../src/dead-letter/outbox/outbox.ts'
import type { DeadLetterRecord } from '../../../src/dead-letter/record/record.ts'
import { sqliteStore } from '../../../src/entries/sqlite.ts'
import type { ResilienceStore } from '../../../src/store.ts'
import { makeRecord } from '../../../src/testing/contracts/records.ts'
import { type CliResult, runCli } from '../../support/processes/cli.ts'

let folder: string
let path: string
let store: ResilienceStore

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-'))
  path = join(folder, 'store.db')
  store = sqliteStore(path)
})

afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

function cli(args: string[], options: Parameters<typeof runCli>[1] = {}): Promise<CliResult> {
  return runCli(args, { ...options, env: { UNDICI_RESILIENCE_STORE: `sqlite:${path}`, ...options.env } })
}

async function add(...records: DeadLetterRecord[]): Promise<string[]> {
  await store.deadLetters.add(records)
  return records.map(({ id }) => id)
}

/** Everything but printable characters and the newline that ends a line. */
const dangerous = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

/** A record that fights back wherever text may stand. */
function hostileRecord(): DeadLetterRecord {
  const evil = '\u001b]0;owned\u0007\u001b[2J\r\b\u009b31m\u202e\u2066x\n'
  return makeRecord({
    integration: `n${evil}`,
    labels: { [`k${evil}`]: evil, ['__proto__']: evil },
    orderingKey: evil,
    traceparent: evil,
    error: {
      name: evil,
      message: evil,
      code: evil,
      cause: { name: evil, message: evil },
      errors: [{ name: evil, message: evil }],
    },
    response: { statusCode: 500, headers: { [evil]: evil }, body: evil },
    history: [{ at: 1, ms: 1, code: evil }],
    editedFrom: evil,
    idempotencyKey: evil,
    request: {
      method: `P${evil}`,
      url: `https://api.example.com/${evil}`,
      headers: { [evil]: evil },
      body: Buffer.from(evil),
      omittedHeaders: [evil],
    },
  })
}

describe('list, show and stats', () => {
  it('shows a table to people and one JSON object per line to programs, by the filter of the store', async () => {
    const now = Date.now()
    const [one, two] = await add(
      makeRecord({ timestamp: now - 3_600_000 }),
      makeRecord({ timestamp: now - 1000, integration: 'calendly', labels: { tenant: 'a' } }),
      makeRecord({ timestamp: now - 86_400_000, reason: 'circuit-open' }),
    )
    const table = await cli(['dead-letters', 'list', '--from', '2h'])
    expect(table.code).toBe(0)
    expect(table.stdout.split('\n').map((line) => line.split(/\s{2,}/)[0])).toEqual(['ID', two, one, ''])
    const json = await cli(['dl', 'list', '--label', 'tenant=a', '--json'])
    expect(json.json().map(({ id, integration, status }) => ({ id, integration, status }))).toEqual([
      { id: two, integration: 'calendly', status: 'pending' },
    ])
    const limited = await cli(['dl', 'list', '--limit', '1', '--json'])
    expect(limited.json()).toHaveLength(1)
    expect(limited.stderr).toContain('There are more')
  })

  it('shows how long until an entry is due, and nothing where it is due now or waits for a person', async () => {
    const notBefore = Date.now() + 7_200_000
    const [now = '', person = ''] = await add(
      makeRecord(),
      makeRecord({ notBefore, replayable: false, notReplayableReason: 'body-too-large' }),
    )
    const titles = async (): Promise<string> => (await cli(['dl', 'list'])).stdout.split('\n')[0]!
    expect(await titles()).not.toContain('DUE')
    const [later = ''] = await add(makeRecord({ notBefore }))
    const { stdout } = await cli(['dl', 'list'])
    expect(await titles()).toMatch(/ STATUS +DUE +REASON /)
    expect(stdout).toMatch(new RegExp(`^${later} .* pending +in (?:1h 59m|2h) +exhausted `, 'm'))
    expect(stdout).toMatch(new RegExp(`^${now} .* pending +exhausted `, 'm'))
    expect(stdout).toMatch(new RegExp(`^${person} .* quarantined +exhausted `, 'm'))
    const json = await cli(['dl', 'list', '--json'])
    expect(json.json().find(({ id }) => id === later)).toMatchObject({ dueAt: notBefore })
  })

  it('shows an entry whole, and saves its body byte for byte', async () => {
    const body = Buffer.from([0, 255, 10, 13, 27])
    const [id = ''] = await add(makeRecord({ request: { body } }))
    const file = join(folder, 'body.bin')
    const shown = await cli(['dl', 'show', id, '--save-body', file])
    expect(shown.code).toBe(0)
    expect(shown.stdout).toMatch(/^id {2,}\S+/)
    expect(shown.stdout).toContain('PUT https://api.example.com/contacts/1')
    expect(shown.stdout).toContain('5 B, binary')
    expect((await readFile(file)).equals(body)).toBe(true)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const again = await cli(['dl', 'show', id, 'none', '--json'])
    expect(again.code).toBe(1)
    expect(again.json()[0]).toMatchObject({
      id,
      request: { body: body.toString('base64'), bodyEncoding: 'base64' },
    })
    expect(again.stderr).toContain('none: there is no such entry')
  })

  it('counts entries', async () => {
    await add(makeRecord(), makeRecord())
    expect((await cli(['dl', 'stats', '--json'])).json()[0]).toMatchObject({
      total: 2,
      byStatus: { pending: 2 },
    })
  })

  it('counts the entries of a filter by what they have in common, the largest group first', async () => {
    const labels = { tenant: 'a' }
    await add(
      makeRecord({
        timestamp: 1000,
        error: { name: 'Error', message: 'reset', code: 'ECONNRESET' },
        response: undefined,
      }),
      makeRecord({ timestamp: 3000, response: { statusCode: 503, headers: {} }, labels }),
      makeRecord({ timestamp: 2000, response: { statusCode: 503, headers: {} } }),
      makeRecord({ timestamp: 4000, integration: 'crm', response: { statusCode: 429, headers: {} } }),
    )
    const json = await cli(['dl', 'stats', '--by', 'code', '--to', '1970-01-01T00:00:03.500Z', '--json'])
    expect(json.json()).toEqual([
      { by: 'code', value: '503', count: 2, oldest: 2000, newest: 3000 },
      { by: 'code', value: 'ECONNRESET', count: 1, oldest: 1000, newest: 1000 },
    ])
    const table = await cli(['dl', 'stats', '--by', 'label=tenant'])
    expect(table.stdout.split('\n').map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ['COUNT', 'OLDEST', 'NEWEST', 'VALUE'],
      ['3', expect.any(String), expect.any(String), '-'],
      ['1', expect.any(String), expect.any(String), 'a'],
      [''],
    ])
    expect(await cli(['dl', 'stats', '--by', '__proto__'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /--by must be one of integration, .*, label=<key>, got "__proto__"/,
      ) as string,
    })
    expect((await cli(['dl', 'stats', '--status', 'pending'])).code).toBe(2)
  })

  it('lets no escape of a hostile entry reach the terminal, and shows the others', async () => {
    const [good = ''] = await add(makeRecord())
    const [evil = ''] = await add(hostileRecord())
    const results = await Promise.all([
      cli(['dl', 'list']),
      cli(['dl', 'list', '--json']),
      cli(['dl', 'show', evil]),
      cli(['dl', 'show', evil, '--json']),
      cli(['dl', 'export']),
      cli(['dl', 'replay', '--all', '--allow-origin', 'https://api.example.com', '--dry-run']),
      cli(['dl', 'edit', evil, '--url', '/x', '--yes']),
      cli(['dl', 'stats', '--by', 'error']),
      cli(['dl', 'stats', '--by', 'method', '--json']),
    ])
    for (const { stdout, stderr } of results) expect(`${stdout}${stderr}`).not.toMatch(dangerous)
    expect(results[0].stdout).toContain(good)
    expect(results[1].json().map(({ id }) => id)).toContain(evil)
    expect((results[3].json()[0]?.['error'] as { message: string }).message).toContain('\u001b[2J')
    expect(results[5].stdout).toMatch(new RegExp(`quarantined +${evil}`))
    expect(results[5].stdout).toMatch(new RegExp(`would-send +${good}`))
    expect(results[6]).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/could not be sent/) as string,
    })
  })

  it('says of a damaged entry that it cannot be read, and shows the others', async () => {
    const [good = ''] = await add(makeRecord())
    const [bad = '', huge = ''] = await add(makeRecord(), makeRecord())
    const db = new DatabaseSync(path)
    db.prepare('UPDATE dead_letters SET record = ? WHERE id = ?').run('{"version":1,"id":"\u001b[2J"}', bad)
    db.prepare('UPDATE dead_letters SET record = ? WHERE id = ?').run(
      `{"a":"${'x'.repeat(50_000_000)}"}`,
      huge,
    )
    db.close()
    const list = await cli(['dl', 'list', '--json'])
    expect(list.json().map(({ id }) => id)).toEqual([good])
    expect(list.code).toBe(1)
    expect(list.stderr).toContain(`${bad} cannot be read`)
    expect(list.stderr).toMatch(new RegExp(`${huge} cannot be read: the record has 5000\\d+ characters`))
    expect(list.stderr).not.toMatch(dangerous)
    const discarded = await cli(['dl', 'discard', bad, huge, '--yes', '--json'])
    expect(discarded.json()).toEqual([{ discarded: 2, left: 0 }])
  })
})

describe('discard', () => {
  it('refuses without a terminal and without --yes, and changes nothing', async () => {
    const [id = ''] = await add(makeRecord())
    const refused = await cli(['dl', 'discard', id])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--yes')
    expect(await store.deadLetters.get(id)).toBeDefined()
  })

  it('discards by filter, and never everything by omission', async () => {
    const [kept = ''] = await add(
      makeRecord(),
      makeRecord({ reason: 'circuit-open' }),
      makeRecord({ reason: 'circuit-open' }),
    )
    expect((await cli(['dl', 'discard', '--yes'])).code).toBe(2)
    const result = await cli(['dl', 'discard', '--reason', 'circuit-open', '--yes', '--json'])
    expect(result).toMatchObject({ code: 0 })
    expect(result.json()).toEqual([{ discarded: 2, left: 0 }])
    expect((await store.deadLetters.list()).items.map(({ id }) => id)).toEqual([kept])
    const gone = await cli(['dl', 'discard', 'no-such-entry', '--yes'])
    expect(gone).toMatchObject({ code: 1, stdout: '0 discarded, 1 not\n' })
    expect(gone.stderr).toContain('no-such-entry: there is no such entry')
  })
})

describe('requeue', () => {
  it('takes of a filter what is set aside alone, the newest first', async () => {
    const [, older = '', newer = '', other = ''] = await add(
      makeRecord({ timestamp: Date.now() - 4_000 }),
      makeRecord({ timestamp: Date.now() - 3_000 }),
      makeRecord({ timestamp: Date.now() - 2_000 }),
      makeRecord({ timestamp: Date.now() - 1_000, integration: 'other' }),
    )
    const { items } = await store.deadLetters.claim({ ids: [older, newer, other], limit: 3, leaseMs: 60_000 })
    for (const { id, fence } of items) {
      const outcome = id === newer ? 'in-doubt' : 'quarantined'
      await store.deadLetters.settle(id, fence, {
        outcome,
        replay: { at: 1, outcome: 'refused' },
        note: 'why',
      })
    }
    const filter = ['--integration', makeRecord().integration]
    const first = await cli(['dl', 'requeue', ...filter, '--limit', '1'])
    expect(first).toMatchObject({ code: 0, stdout: '1 requeued\n' })
    expect((await store.deadLetters.get(newer))!.status).toBe('pending')
    expect((await cli(['dl', 'requeue', ...filter])).stdout).toBe('1 requeued\n')
    expect((await cli(['dl', 'requeue', '--all'])).stdout).toBe('1 requeued\n')
    expect((await cli(['dl', 'requeue', '--all'])).stdout).toBe('0 requeued\n')
  })

  it('says of each named entry why it was left alone', async () => {
    const [pending = '', lost = ''] = await add(
      makeRecord(),
      makeRecord({ replayable: false, notReplayableReason: 'body-too-large' }),
    )
    const result = await cli(['dl', 'requeue', pending, lost])
    expect(result).toMatchObject({ code: 1, stdout: '0 requeued, 2 not\n' })
    expect(result.stderr).toBe(
      `${pending}: it is not set aside: it is pending\n` +
        `${lost}: it is not replayable: body-too-large: its body is larger than \`maxBodyBytes\`; ` +
        '`edit` it and give the whole body\n',
    )
  })
})

describe('entries of an outbox', () => {
  it('say so where others have the code of their failure', async () => {
    await createOutbox({ store }).add('https://api.example.com/hook', { method: 'POST', body: '{}' })
    expect((await cli(['dl', 'list'])).stdout).toMatch(/outbox +outbox +POST/)
    expect((await cli(['dl', 'list', '--code', 'outbox', '--json'])).json()).toHaveLength(1)
  })
})

describe('an entry whose body was redacted', () => {
  it('is told by list, by the summary of a replay, and by requeue; an edit makes it whole', async () => {
    const body = Buffer.from('{"discount_token":"[redacted]"}')
    const [id = ''] = await add(
      makeRecord({
        replayable: false,
        notReplayableReason: 'body-redacted',
        request: { body, bytes: 29, bodyRedacted: true },
      }),
      makeRecord({ delivery: 'unknown' }),
    )
    const list = await cli(['dl', 'list'])
    expect(list.stdout).toMatch(
      new RegExp(`^${id} .* quarantined +exhausted .* not replayable: body-redacted +PUT `, 'm'),
    )
    expect((await cli(['dl', 'stats'])).stdout).toMatch(
      /^ {2}quarantined +1 \(not sent by itself: see list\)$/m,
    )
    const origin = ['--allow-origin', 'https://api.example.com']
    const rehearsed = await cli(['dl', 'replay', '--all', ...origin, '--dry-run'])
    expect(rehearsed.stdout).toMatch(
      /^not touched +1 quarantined, 1 of them not replayable as they are: see list, with --status$/m,
    )
    expect((await cli(['dl', 'requeue', id])).stderr).toContain(
      'which is not stored; `edit` it and give the whole body',
    )
    const whole = '{"discount_token":"SUMMER"}'
    const refused = await cli(['dl', 'edit', id, '--body', whole, '--yes'])
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('say `--no-redact`') as string })
    const edited = await cli([
      'dl',
      'edit',
      id,
      '--body',
      whole,
      '--no-redact',
      '--requeue',
      '--yes',
      '--json',
    ])
    expect(edited.json()).toMatchObject([{ status: 'pending', replayable: true, editedFrom: id }])
  })
})

describe('edit', () => {
  it('replaces an entry by a quarantined copy with a new id and a new key', async () => {
    const [id = ''] = await add(makeRecord({ idempotencyKey: 'old', idempotencyHeader: 'idempotency-key' }))
    const file = join(folder, 'edit.json')
    await writeFile(file, '{"url":"/v2/contacts/1","headers":{"accept":null},"body":{"name":"Grace"}}')
    const result = await cli(['dl', 'edit', id, '--file', file, '--yes', '--json'])
    expect(result.code, result.stderr).toBe(0)
    const [copy] = result.json()
    expect(copy).toMatchObject({
      status: 'quarantined',
      note: `edited from ${id}`,
      editedFrom: id,
      request: {
        url: 'https://api.example.com/v2/contacts/1',
        body: '{"name":"Grace"}',
        headers: { 'content-type': 'application/json' },
      },
    })
    expect(copy?.['idempotencyKey']).not.toBe('old')
    expect(await store.deadLetters.get(id)).toBeUndefined()
    expect((await store.deadLetters.stats()).total).toBe(1)
    const requeued = await cli(['dl', 'requeue', String(copy?.['id']), '--json'])
    expect(requeued.json()).toEqual([{ requeued: 1, left: 0 }])
  })

  it('does not touch an entry that is being sent', async () => {
    const [id = ''] = await add(makeRecord())
    const { items } = await store.deadLetters.claim({ limit: 1, leaseMs: 60_000 })
    expect(await store.deadLetters.renew(id, items[0]!.fence, 60_000)).toBe(true)
    const result = await cli(['dl', 'edit', id, '--url', '/v2', '--yes'])
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('being sent') as string })
    expect((await store.deadLetters.list()).items.map((entry) => entry.id)).toEqual([id])
  })

  it('refuses a header that splits the request', async () => {
    const [id = ''] = await add(makeRecord())
    const result = await cli(['dl', 'edit', id, '--header', 'x-a: 1\r\nx-b: 2', '--yes'])
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('control character') as string })
    expect((await store.deadLetters.get(id))?.editedFrom).toBeUndefined()
  })
})

describe('export and import', () => {
  it('carries entries to another store, where they wait in quarantine', async () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const ids = await add(makeRecord({ request: { body: every } }), makeRecord({ labels: { a: '\u202e' } }))
    const file = join(folder, 'out.ndjson')
    expect(await cli(['dl', 'export', '--output', file])).toMatchObject({
      code: 0,
      stderr: `2 exported to ${file}\n`,
    })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await cli(['dl', 'export', '--output', file])).toMatchObject({ code: 2 })
    const other = `sqlite:${join(folder, 'other.db')}`
    const imported = await cli(['dl', 'import', file, '--store', other, '--json'])
    expect(imported.json()).toEqual([{ imported: 2, known: 0, settled: 0, refused: 0, invalid: 0 }])
    expect(imported.code).toBe(0)
    const copy = sqliteStore(join(folder, 'other.db'))
    for (const id of ids) {
      const [before, after] = [await store.deadLetters.get(id), await copy.deadLetters.get(id)]
      expect(after).toEqual({ ...before, status: 'quarantined', note: 'imported' })
    }
    await copy.deadLetters.discard(ids)
    await copy.close()
    const again = await cli(['dl', 'import', file, '--store', other])
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('2 not imported: replayed or discarded before')
    const anew = await cli(['dl', 'import', file, '--new-ids', '--store', other, '--json'])
    expect(anew.json()).toEqual([{ imported: 2, known: 0, settled: 0, refused: 0, invalid: 0 }])
  })

  it('keeps the order of an ordering key when entries get new ids', async () => {
    const at = Date.now() - 60_000
    const order = { orderingKey: 'order-1' }
    const ids = await add(
      ...[0, 0, 1, 5].map((later, index) =>
        makeRecord({
          ...order,
          id: deadLetterId(at + later),
          timestamp: at + later,
          labels: { n: String(index) },
        }),
      ),
    )
    const file = join(folder, 'out.ndjson')
    await cli(['dl', 'export', '--output', file])
    await store.deadLetters.discard(ids)
    expect(await cli(['dl', 'import', file, '--new-ids'])).toMatchObject({ code: 0 })
    const { items } = await store.deadLetters.list()
    expect(items.some(({ id }) => ids.includes(id))).toBe(false)
    const inOrder = items.sort((a, b) => (a.id < b.id ? -1 : 1))
    expect(inOrder.map(({ labels }) => labels?.['n'])).toEqual(['0', '1', '2', '3'])
  })

  it('says what is wrong with each hostile line, and imports the rest', async () => {
    const [one, two] = [makeRecord(), makeRecord()]
    await add(one, two)
    const lines = (await cli(['dl', 'export'])).stdout.trim().split('\n')
    await store.deadLetters.discard([one.id, two.id])
    const other = `sqlite:${join(folder, 'other.db')}`
    const hostile = [
      lines[0],
      '{"__proto__":{"polluted":1}}',
      '['.repeat(100_000),
      `"${'x'.repeat(17 * 1024 * 1024)}"`,
      lines[1]?.replace('"accept":', '"x-a":"1\\r\\nhost: evil","accept":'),
      lines[1]?.replace('https://api.example.com', 'file://'),
      '\u001b[2J\u009b\u202enot json',
      lines[1],
    ]
    const result = await cli(['dl', 'import', '-', '--store', other, '--json'], {
      input: `${hostile.join('\n')}\n`,
    })
    expect(result.json()).toEqual([{ imported: 2, known: 0, settled: 0, refused: 0, invalid: 6 }])
    expect(result.code).toBe(1)
    expect(result.stderr).not.toMatch(dangerous)
    for (const line of [2, 3, 4, 5, 6, 7]) expect(result.stderr).toContain(`line ${line}: `)
  })
})

describe('the store', () => {
  it('is never made by a mistyped path, nor in the file of another program', async () => {
    const missing = await cli(['dl', 'list', '--store', `sqlite:${join(folder, 'typo.db')}`])
    expect(missing).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no file') as string })
    await expect(stat(join(folder, 'typo.db'))).rejects.toThrow(/ENOENT/)
    const foreign = join(folder, 'foreign.db')
    const db = new DatabaseSync(foreign)
    db.exec('CREATE TABLE users (id)')
    db.close()
    expect(await cli(['dl', 'stats', '--store', `sqlite:${foreign}`])).toMatchObject({ code: 3 })
    const text = join(folder, 'text')
    await writeFile(text, 'no database at all, but long enough to be read as one')
    expect(await cli(['dl', 'stats', '--store', `sqlite:${text}`])).toMatchObject({ code: 3 })
  })

  it('keeps entries that are older than the default of sqliteStore', async () => {
    await store.close()
    store = sqliteStore(path, { maxAgeMs: Infinity })
    const [old = ''] = await add(makeRecord({ timestamp: Date.now() - 90 * 86_400_000 }))
    await writeFile(join(folder, 'one.ndjson'), (await cli(['dl', 'export'])).stdout)
    await cli(['dl', 'import', join(folder, 'one.ndjson'), '--new-ids'])
    expect(await store.deadLetters.get(old)).toBeDefined()
  })

  it('is checked by doctor, which changes nothing', async () => {
    await add(makeRecord())
    const result = await cli(['doctor', '--json'])
    const found = new Map(result.json().map(({ check, level }) => [check, level]))
    for (const check of ['schema', 'journal mode', 'integrity', 'size']) {
      expect(found.get(check), check).toBe('ok')
    }
    expect(result.code).toBe(0)
  })

  it('has no circuits to be overruled when it is a file', async () => {
    const result = await cli(['circuits', 'list'])
    expect(result).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('its circuits are those of each process') as string,
    })
  })
})

describe('arguments', () => {
  it('ends with 2 for wrong ones, and never repeats a password', async () => {
    const results = await Promise.all([
      cli(['dl', 'list', '--from', 'yesterday']),
      cli(['dl', 'list', '--stor=redis://me:hunter2@host']),
      cli(['dl', 'list', '--store', 'mysql://me:hunter2@host/db']),
      cli(['dl', 'list', '--status', 'lost']),
      cli(['dl', 'list', '--origin', 'https://api.example.com/']),
      cli(['dl', 'list', '--integration', '']),
      cli(['nonsense']),
      cli(['dl', 'replay', '--all']),
    ])
    for (const { code, stdout, stderr } of results) {
      expect(code, stderr).toBe(2)
      expect(`${stdout}${stderr}`).not.toContain('hunter2')
    }
    const away = await cli(['dl', 'list', '--store', 'redis://me:hunter2@127.0.0.1:1'])
    expect(away).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('cannot reach redis://127.0.0.1:1') as string,
    })
    expect(away.stderr).not.toContain('hunter2')
    const noPostgres = await cli(['dl', 'list', '--store', 'postgres://me:hunter2@127.0.0.1:1/db'])
    expect(noPostgres.code, noPostgres.stderr).toBe(3)
    expect(noPostgres.stderr).not.toContain('hunter2')
  })

  it('has help with examples for every command', async () => {
    const commands = [
      'list',
      'show',
      'stats',
      'watch',
      'replay',
      'requeue',
      'edit',
      'discard',
      'export',
      'import',
    ]
    const helps = [...commands.map((name) => ['dead-letters', name]), ['circuits', 'isolate'], ['doctor']]
    for (const [at, help] of (await Promise.all(helps.map((args) => cli([...args, '--help'])))).entries()) {
      expect(help.code).toBe(0)
      expect(help.stdout, helps[at]?.join(' ')).toMatch(/Examples?:\n {2}\$ undici-resilience /)
    }
  })
})

it('ends quietly when the reader of its output goes away', async () => {
  await store.deadLetters.add(Array.from({ length: 1000 }, () => makeRecord()))
  const result = await cli(['dl', 'export'], {
    started: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
  })
  expect(result.stderr).not.toMatch(/EPIPE|Error/)
  expect(result.code).toBe(0)
})

it('says that an export is not all of it when it is interrupted', async () => {
  await add(...Array.from({ length: 3_000 }, () => makeRecord()))
  const result = await cli(['dl', 'export'], {
    started: (child) => void child.stdout?.once('data', () => child.kill('SIGINT')),
  })
  expect(result.code).toBe(130)
  expect(result.stderr).toContain('Interrupted: there are more.')
  expect(result.json().length).toBeLessThan(3_000)
})

it('prints new entries as they come, until it is interrupted', async () => {
  const [before] = await add(makeRecord())
  let seen = ''
  let fresh = makeRecord({ integration: 'calendly' })
  const result = await cli(['dl', 'watch', '--interval', '100ms', '--json'], {
    started: (child) => {
      child.stdout?.on('data', (text: string) => {
        const first = seen === ''
        seen += text
        if (first) {
          fresh = makeRecord({ integration: 'calendly' })
          void store.deadLetters.add([fresh])
        }
        if (seen.includes('"type":"entry"') && seen.includes('"total":2')) child.kill('SIGINT')
      })
    },
  })
  expect(result.code).toBe(0)
  const entries = result.json().filter(({ type }) => type === 'entry') as { entry: { id: string } }[]
  expect(entries.map(({ entry }) => entry.id)).toEqual([fresh.id])
  expect(entries.map(({ entry }) => entry.id)).not.toContain(before)
})

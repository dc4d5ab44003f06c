import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { ProviderPreset } from '../../../src/providers/hubspot.ts'
import { cases } from '../../support/providers/cases.ts'
import { presetCases } from '../../support/providers/preset-cases.ts'

const MIB = 1_048_576

/** A preset, the page that states its values, and which of the page's presets it is. */
interface Stated {
  readonly integration: string
  readonly title: string
  readonly preset: ProviderPreset
  readonly page: string
  readonly room: string
  readonly at: number
}

const pages = 'docs/architecture/providers'
const stated: Stated[] = [
  ...cases.map((one) => ({
    ...one,
    page: `${pages}/${one.integration.replace('-transactional', '')}.md`,
    room: `src/providers/${one.integration}`,
    // the page of both products of Mailchimp has that one behind
    at: one.integration === 'mailchimp-transactional' ? 1 : 0,
  })),
  ...presetCases.map((one) => ({
    ...one,
    page: `${pages}/presets/${one.integration}.md`,
    room: `src/providers/presets/${one.integration}`,
    at: 0,
  })),
]

/** What the table of a preset says of each option. */
function optionsOn({ page, at }: Stated): ReadonlyMap<string, string> {
  const tables = readFileSync(page, 'utf8')
    .split(/\n\n+/)
    .filter((block) => /^\| `attemptTimeoutMs` /m.test(block))
  const lines = tables[at]!.split('\n').slice(2)
  return new Map(
    lines.map((line) => {
      const [, option = '', value = ''] = line.split('|').map((cell) => cell.trim())
      return [option.replaceAll('`', ''), value]
    }),
  )
}

const numberOf = (text: string): number => Number(text.replaceAll(',', ''))
/** All numbers of a pattern's groups, match by match. */
const numbersIn = (text: string | undefined, pattern: RegExp): number[][] =>
  [...(text ?? '').matchAll(pattern)].map(([, ...groups]) => groups.map(numberOf))
const namesIn = (text: string | undefined): string[] =>
  [...(text ?? '').matchAll(/`\??([^`]+)`/g)].map(([, name]) => name!.toLowerCase()).sort()
const lowered = (...lists: (readonly string[] | false | undefined)[]): string[] =>
  [
    ...new Set(
      lists
        .flatMap((list) => (list === undefined || list === false ? [] : list))
        .map((name) => name.toLowerCase()),
    ),
  ].sort()

/** `500 to 504` is five statuses. */
function statusesIn(text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined
  const statuses = [...text.matchAll(/(\d{3})(?: to (\d{3}))?/g)].flatMap(([, first, last = first]) => {
    const from = Number(first)
    return Array.from({ length: Number(last) - from + 1 }, (_, at) => from + at)
  })
  return statuses.sort((one, other) => one - other)
}

describe.each(stated)('the page of $title states of its preset', (one) => {
  const { preset } = one
  const options = optionsOn(one)

  it('the times', () => {
    for (const name of ['attemptTimeoutMs', 'totalTimeoutMs'] as const) {
      expect(numberOf(/^[\d,]+/.exec(options.get(name)!)![0]), name).toBe(preset[name])
    }
  })

  it('the attempts, their backoff, and what is waited and recorded at the most', () => {
    const { maxAttempts, initialBackoffMs, maxBackoffMs, maxRetryAfterMs, maxBodyBytes, statusCodes } =
      preset.retry
    const text = options.get('retry')
    expect(numbersIn(text, /(\d+) attempts, ([\d.]+) to ([\d.]+) s/g)).toEqual([
      [maxAttempts, initialBackoffMs! / 1000, maxBackoffMs! / 1000],
    ])
    const [waited] = numbersIn(text, /`maxRetryAfterMs` ([\d,]+)/g).flat()
    const longest = options.get('retry.maxRetryAfterMs')
    expect(longest === undefined ? waited : numberOf(longest)).toBe(maxRetryAfterMs)
    const recorded = [
      ...numbersIn(text, /bodies to (\d+) MiB/g),
      ...numbersIn(options.get('retry.maxBodyBytes'), /^(\d+) MiB/g),
    ].flat()
    expect(recorded).toEqual(maxBodyBytes === undefined ? [] : [maxBodyBytes / MIB])
    expect(statusesIn(options.get('retry.statusCodes'))).toEqual(statusCodes?.toSorted((a, b) => a - b))
  })

  it('the limits that are kept to beforehand', () => {
    expect(numbersIn(options.get('rateLimit'), /([\d,]+)(?: [a-z]+)? in ([\d,]+) s/g)).toEqual(
      (preset.rateLimit.limits ?? []).map(({ limit, intervalMs }) => [limit, intervalMs / 1000]),
    )
  })

  it('when the circuit opens, for how long, and whose it is', () => {
    const { failureThreshold, windowMs, timeoutMs, key } = preset.circuitBreaker
    const text = options.get('circuitBreaker')!
    expect(numbersIn(text, /(\d+) failures in (\d+) s, open for (\d+) s/g)).toEqual([
      [failureThreshold, windowMs! / 1000, timeoutMs! / 1000],
    ])
    expect(/per credential|and credential/.test(`${text} ${options.get('circuitBreaker.key') ?? ''}`)).toBe(
      key !== undefined,
    )
  })

  it('what is a secret, what a replay needs, and how much of a body is kept', () => {
    const { redact = {}, maxBodyBytes } = preset.deadLetter
    const { headers, query, body, keepHeaders } = redact
    expect(namesIn(options.get('secrets')).filter((name) => name !== 'authorization')).toEqual(
      lowered(headers, query, body),
    )
    expect(namesIn(options.get('kept headers') ?? options.get('kept header'))).toEqual(lowered(keepHeaders))
    const kept = numbersIn(options.get('deadLetter.maxBodyBytes'), /^(\d+) MiB/g).flat()
    expect(kept).toEqual(maxBodyBytes === undefined ? [] : [maxBodyBytes / MIB])
  })

  it('which bodies are looked into', () => {
    const looked = options.get('inspectBody') ?? '4xx, 5xx'
    expect(numbersIn(looked, /(\d+)/g).flat()).toEqual(preset.inspectBody.statusCodes)
  })

  it('how many connections its Agent has', () => {
    const [, connections] = /agentOptions\((\d+), /.exec(readFileSync(`${one.room}/agent.ts`, 'utf8'))!
    expect(numbersIn(options.get('connections'), /^(\d+), HTTP\/1\.1$/g)).toEqual([[Number(connections)]])
  })
})

/** The rows of docs/webhooks.md that name a function: the function, its entry, the signature, the time. */
const webhooks = readFileSync('docs/webhooks.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `verify'))
  .map((line) => {
    const [, name = '', entry = '', signature = '', time = ''] = line.split('|').map((cell) => cell.trim())
    return {
      name: name.replaceAll('`', ''),
      entry: entry.replace(/`\/providers\/(.+)`/, '$1'),
      signature,
      time,
    }
  })

describe.each(webhooks)('the page of webhooks states of $name', ({ name, entry, signature, time }) => {
  const own = name === 'verifyMailchimpTransactionalWebhook' ? 'mailchimp-transactional' : entry
  const file = ['src/providers', 'src/providers/presets'].find((room) => existsSync(`${room}/${entry}.ts`))!
  const source = readFileSync(`${file}/${own}/webhook.ts`, 'utf8')

  it('where it is', () => {
    expect(readFileSync(`${file}/${entry}.ts`, 'utf8')).toMatch(new RegExp(`\\b${name}\\b`))
  })

  it('which headers it reads, and what makes the signature', () => {
    const read = [...source.matchAll(/headerOf\(delivery, '([^']+)'\)/g)].map(([, header]) => header)
    const said = [...`${signature} ${time}`.matchAll(/`([A-Z][\w-]+-[\w-]+)`/g)].map(([, header]) =>
      header!.toLowerCase(),
    )
    expect(said).toEqual(read)
    const [, hash] = /HMAC-(SHA\d+)/.exec(signature) ?? []
    expect(source.includes(`'${hash?.toLowerCase() ?? 'sha256'}'`)).toBe(true)
  })

  it('how old a delivery may be', () => {
    const [, minutes] = /(\d+) min/.exec(time) ?? []
    const [, ms] = /timeChecks\(([\d_]+)\)/.exec(source) ?? []
    expect(minutes === undefined ? undefined : Number(minutes) * 60_000).toBe(
      ms === undefined ? undefined : Number(ms.replaceAll('_', '')),
    )
  })
})

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { calComProvider } from '../../../src/providers/cal-com/agent.ts'
import { preset as calCom } from '../../../src/providers/cal-com.ts'
import { classifyMailchimp } from '../../../src/providers/mailchimp/classify.ts'
import {
  preset as mailchimp,
  transactionalPreset as transactional,
} from '../../../src/providers/mailchimp.ts'
import { answers } from '../../support/providers/answers.ts'
import { classified } from '../../support/providers/classified.ts'

interface Line {
  readonly found: string
  readonly now: string
  readonly seenIn: string
}

const page = readFileSync('docs/architecture/providers/checked.md', 'utf8')
const lines: Line[] = page
  .split('\n')
  .filter((line) => /^\| (?!what the check|-)/.test(line))
  .map((line) => {
    const [, found = '', , now = '', seenIn = ''] = line.split('|').map((cell) => cell.trim())
    return { found, now, seenIn }
  })

it('is a page with lines', () => {
  expect(lines.length).toBeGreaterThan(50)
})

/** A row of test/integration/providers/answers.test.ts is a test too, by what it says of whom. */
const rows = answers.map(({ integration, what }) => `${integration}: ${what}`)

it.each(lines)('names a test for "$found" that there is, by its whole title', ({ seenIn }) => {
  const [, file = '', title = ''] = /^`(test\/[^`]+\.test\.ts)`: "(.+)"$/.exec(seenIn) ?? []
  const isRow = file === 'test/integration/providers/answers.test.ts' && rows.includes(title)
  const literals = ["'", '"', '`'].map((quote) => quote + title + quote)
  expect(isRow || literals.some((literal) => readFileSync(file, 'utf8').includes(literal))).toBe(true)
})

const seconds = (ms: number): string => `${ms / 1000} s`

/** What a line with a number says, as the code has it. */
const numbers: Record<string, () => string> = {
  'Mailchimp Marketing: attempts of 60 s, answers of up to 120 s': () =>
    `${seconds(mailchimp.attemptTimeoutMs)}, ${seconds(mailchimp.totalTimeoutMs)} in all`,
  'Mandrill: attempts of 30 s, answers of up to 300 s': () => seconds(transactional.attemptTimeoutMs),
  'Cal.com locks accounts for bursts': () => {
    const bySecond = calCom.rateLimit.limits?.find(({ intervalMs }) => intervalMs === 1_000)
    return `${calComProvider.agent.connections} connections, ${bySecond?.limit} a second`
  },
  'Mailchimp 429 for 500 batches that wait': () => {
    const body = { detail: 'You have more than 500 pending batches.' }
    const verdict = classifyMailchimp(classified(429, { body, method: 'POST', path: '/3.0/batches' }), 0)
    return `dead letter, due in ${Number(verdict?.notBefore) / 60_000} minutes`
  },
}

it.each(lines.filter(({ now }) => /\d/.test(now.replace(/`[^`]*`/g, ''))))(
  'says of "$found" what the code has',
  ({ found, now }) => {
    expect(Object.keys(numbers)).toContain(found)
    expect(now).toBe(numbers[found]?.())
  },
)

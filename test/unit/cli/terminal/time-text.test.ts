import { describe, expect, it } from 'vitest'
import { CliError } from '../../../../src/cli/cli-error.ts'
import {
  ageText,
  durationOf,
  durationText,
  parseTime,
  timeText,
} from '../../../../src/cli/terminal/time-text.ts'

const now = Date.parse('2026-11-24T12:00:00Z')

describe('parseTime', () => {
  it('reads how long ago', () => {
    expect(parseTime('--from', '90s', now)).toBe(now - 90_000)
    expect(parseTime('--from', '2h', now)).toBe(now - 7_200_000)
    expect(parseTime('--from', '1.5d', now)).toBe(now - 129_600_000)
    expect(parseTime('--from', '1w', now)).toBe(now - 604_800_000)
  })

  it('reads ISO 8601, a date alone as UTC', () => {
    expect(parseTime('--from', '2026-11-24', now)).toBe(Date.parse('2026-11-24T00:00:00Z'))
    expect(parseTime('--from', '2026-11-24T09:30:00+02:00', now)).toBe(Date.parse('2026-11-24T07:30:00Z'))
    expect(parseTime('--from', '2026-11-24T09:30:00.250Z', now)).toBe(Date.parse('2026-11-24T09:30:00.250Z'))
  })

  it('refuses everything else, and says what it takes', () => {
    for (const text of [
      '',
      'yesterday',
      '2',
      '-2h',
      '2026-13-01',
      '11/24/2026',
      '2026',
      '1e3',
      '2 h',
      '2h ago',
    ]) {
      expect(() => parseTime('--from', text, now), text).toThrow(CliError)
      expect(() => parseTime('--from', text, now), text).toThrow(/^--from must be a time such as/)
    }
  })
})

describe('durationText', () => {
  it('says a duration in at most two units', () => {
    const texts = [0, 999, 1000, 59_400, 60_000, 61_000, 3_600_000, 5_400_000, 90_000_000].map(durationText)
    expect(texts).toEqual(['0ms', '999ms', '1s', '59s', '1m', '1m 1s', '1h', '1h 30m', '1d 1h'])
  })
})

it('reads durations of options', () => {
  expect(durationOf('--interval', '250ms')).toBe(250)
  expect(() => durationOf('--interval', '5')).toThrow('--interval must be a duration')
})

it('shows an age in its largest unit, and none below zero', () => {
  expect(ageText(now - 5_400_000, now)).toBe('1h')
  expect(ageText(now + 5000, now)).toBe('0ms')
})

it('shows a stored number that is no moment as it is', () => {
  expect(timeText(0)).toBe('1970-01-01T00:00:00.000Z')
  expect(timeText(Number.MAX_SAFE_INTEGER)).toBe('9007199254740991')
})

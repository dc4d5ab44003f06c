import { CliError } from '../cli-error.ts'

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

const relative = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/
const iso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/

/**
 * A moment as people give it: ISO 8601 (a date alone is UTC, a time without a zone is local), or how long ago: `90s`,
 * `30m`, `2h`, `7d`, `1w`.
 */
export function parseTime(option: string, text: string, now: number): number {
  const ago = relative.exec(text)
  if (ago !== null) return Math.max(0, Math.round(now - Number(ago[1]) * units[ago[2] as keyof typeof units]))
  const at = iso.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(at) || at < 0) {
    throw new CliError(
      `${option} must be a time such as 2026-11-24T09:30:00Z, 2026-11-24, or how long ago: 90s, 30m, 2h, 7d; got ${JSON.stringify(text)}`,
    )
  }
  return at
}

/** A length of time as people give it: `500ms`, `2s`, `5m`. */
export function durationOf(option: string, text: string): number {
  const match = relative.exec(text)
  if (match === null) {
    throw new CliError(`${option} must be a duration such as 500ms, 2s or 5m, got ${JSON.stringify(text)}`)
  }
  return Math.round(Number(match[1]) * units[match[2] as keyof typeof units])
}

/** A duration of one or two units: `45s`, `3m 20s`, `2d 4h`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))}ms`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return join(minutes, 'm', seconds % 60, 's')
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return join(hours, 'h', minutes % 60, 'm')
  return join(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit} ${small}${smallUnit}`
}

/** The moment in ISO 8601, UTC; a stored number that is no moment is shown as it is. */
export function timeText(at: number): string {
  return Number.isFinite(at) && Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at)
}

/** How long ago, in its largest unit: `4m`, `3h`, `12d`. */
export function ageText(at: number, now: number): string {
  return durationText(Math.max(0, now - at)).split(' ')[0] ?? ''
}

const DAY_MS = 86_400_000

/**
 * When HubSpot's daily limit starts anew: at midnight in the account's time zone. Where the zone is not known, the same
 * time tomorrow is the earliest moment that surely lies behind that midnight.
 *
 * @param now epoch milliseconds
 * @param timeZone IANA name, as the account's settings show it: `America/New_York`
 * @returns epoch milliseconds
 */
export function dailyReset(now: number, timeZone?: string): number {
  if (timeZone === undefined) return now + DAY_MS
  const day = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' })
  const today = day.format(now)
  // a day has 23 to 25 hours, so its end is searched for
  let before = now
  let after = now + DAY_MS + 2 * 3_600_000
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (day.format(middle) === today) before = middle
    else after = middle
  }
  return after
}

/** @throws TypeError, RangeError for what is no IANA time zone */
export function timeZoneOption(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(
      `\`${name}\` must be an IANA time zone such as "America/New_York", got ${String(value)}`,
    )
  }
  try {
    new Intl.DateTimeFormat('en-CA', { timeZone: value })
  } catch {
    throw new RangeError(
      `\`${name}\` must be an IANA time zone such as "America/New_York", got ${JSON.stringify(value)}`,
    )
  }
  return value
}

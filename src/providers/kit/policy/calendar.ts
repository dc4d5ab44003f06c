/** 00:00 UTC of the next day, epoch milliseconds: when quotas of a day are renewed. */
export function nextDay(now: number): number {
  const date = new Date(now)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1)
}

/** 00:00 UTC on the first of the next month, epoch milliseconds. */
export function nextMonth(now: number): number {
  const date = new Date(now)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}

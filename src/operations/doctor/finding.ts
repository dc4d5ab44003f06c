/** One thing that was looked at. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail'
  readonly check: string
  readonly found: string
  /** What to do about it. */
  readonly advice?: string
}

export function ok(check: string, found: string): Finding {
  return { level: 'ok', check, found }
}

export function warn(check: string, found: string, advice: string): Finding {
  return { level: 'warn', check, found, advice }
}

export function fail(check: string, found: string, advice: string): Finding {
  return { level: 'fail', check, found, advice }
}

import { originOf, type DeadLetterRecord } from '../../record/record.ts'

/** What a filter looks at; stores keep it beside the record. */
export interface DeadLetterSummary {
  readonly integration: string
  readonly status: string
  readonly reason: string
  readonly timestamp: number
  readonly origin: string
  readonly code: string
  readonly labels: Readonly<Record<string, string>> | undefined
}

export function summaryOf(entry: DeadLetterRecord & { readonly status: string }): DeadLetterSummary {
  const { integration, status, reason, timestamp, labels } = entry
  return {
    integration,
    status,
    reason,
    timestamp,
    labels,
    origin: originOf(entry),
    code: lastCode(entry),
  }
}

/** The code by which people look for an entry: the status it ended with, else the code of its error. */
export function lastCode(entry: Pick<DeadLetterRecord, 'error' | 'response'>): string {
  return entry.response === undefined
    ? (entry.error.code ?? entry.error.name)
    : String(entry.response.statusCode)
}

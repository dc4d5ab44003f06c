import { recordFromEntryJson } from '../../../dead-letter/message/entry-json.ts'
import type { DeadLetterRecord } from '../../../dead-letter/record/record.ts'
import { checkedRecord } from '../checked-record.ts'

/**
 * Reads one line of an export. Where the entry stood (status, replays) is not taken over.
 * @throws {DeadLetterFormatError} that says what is wrong
 */
export function importedRecord(line: string): DeadLetterRecord {
  return checkedRecord(recordFromEntryJson(line).record)
}

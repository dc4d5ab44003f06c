import type { DeadLetterRecord, NotReplayableReason } from './record.ts'

/** Why a record cannot be sent again, in words. */
interface NotReplayable {
  readonly why: string
  /** Which option keeps the next one whole. */
  readonly option?: string
  /** How a person makes this one whole. */
  readonly edit?: string
}

const giveBody = '`edit` it and give the whole body'

const texts: Readonly<Record<NotReplayableReason, NotReplayable>> = {
  'body-too-large': {
    why: 'its body is larger than `maxBodyBytes`',
    option: 'raise it in `deadLetter`',
    edit: giveBody,
  },
  'body-incomplete': { why: 'its body was not read to its end', edit: giveBody },
  'body-redacted': {
    why: 'its body has what looks like a secret, which is not stored',
    option: 'keep it encrypted with `seal`, or say with `redact: { body: false }` that it is none',
    edit: giveBody,
  },
  'body-unavailable': { why: 'its body was not kept', edit: giveBody },
  'path-redacted': {
    why: 'its path has what looks like a secret, which is not stored',
    option: 'keep it encrypted with `seal`, or say with `redact: { path: false }` that it is none',
    edit: '`edit` it and give the url',
  },
  'request-too-large': { why: 'its url, method or key is larger than a record can be' },
  'copy-for-sink': { why: 'it is the copy for a sink; the entry itself is in the store' },
}

export function notReplayableReason({ notReplayableReason: reason }: DeadLetterRecord): NotReplayableReason {
  return reason ?? 'body-unavailable'
}

export function notReplayable(record: DeadLetterRecord): NotReplayable {
  return texts[notReplayableReason(record)]
}

/** A mail of the Transactional API; fields that are not named here are sent as they are. */
export interface MailchimpTransactionalMessage {
  from_email: string
  from_name?: string | undefined
  to: { email: string; name?: string | undefined; type?: 'to' | 'cc' | 'bcc' | undefined }[]
  subject?: string | undefined
  html?: string | undefined
  text?: string | undefined
  headers?: Record<string, string> | undefined
  tags?: string[] | undefined
  metadata?: Record<string, string> | undefined
  attachments?: { type: string; name: string; content: string }[] | undefined
  [field: string]: unknown
}

/** What became of one recipient. */
export interface MailchimpTransactionalResult {
  _id: string
  email: string
  status: 'sent' | 'queued' | 'scheduled' | 'rejected' | 'invalid'
  reject_reason?: string | null
  queued_reason?: string | null
}

export interface MailchimpTransactionalSent {
  /** Recipients that the mail goes to: sent, queued or scheduled. */
  accepted: MailchimpTransactionalResult[]
  /** Recipients that it does not go to, in a response that was a success all the same: rejected or invalid. */
  rejected: MailchimpTransactionalResult[]
}

/** A mail that was found. */
export interface MailchimpTransactionalFound {
  _id: string
  /** When it was sent, epoch seconds. */
  ts: number
  email: string
  subject?: string
  state: string
  metadata?: Record<string, string>
}

/** An address to which no mail goes. */
export interface MailchimpTransactionalReject {
  email: string
  reason: string
  created_at: string
  expires_at: string
  expired: boolean
}

export interface MailchimpTransactionalTemplate {
  slug: string
  name: string
  labels?: string[]
  code?: string
  subject?: string
}

/** A mail of the Transactional API; fields that are not named here are sent as they are. */
export interface MandrillMessage {
  from_email: string
  from_name?: string
  to: { email: string; name?: string; type?: 'to' | 'cc' | 'bcc' }[]
  subject?: string
  html?: string
  text?: string
  headers?: Record<string, string>
  tags?: string[]
  metadata?: Record<string, string>
  attachments?: { type: string; name: string; content: string }[]
  [field: string]: unknown
}

/** What became of one recipient. */
export interface MandrillResult {
  _id: string
  email: string
  status: 'sent' | 'queued' | 'scheduled' | 'rejected' | 'invalid'
  reject_reason?: string | null
  queued_reason?: string | null
}

export interface MandrillSent {
  /** Recipients that the mail goes to: sent, queued or scheduled. */
  accepted: MandrillResult[]
  /** Recipients that it does not go to, in a response that was a success all the same: rejected or invalid. */
  rejected: MandrillResult[]
}

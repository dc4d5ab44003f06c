export type MailchimpStatus = 'subscribed' | 'unsubscribed' | 'cleaned' | 'pending' | 'transactional'

/** What to set on a member; fields that are not named here are sent as they are. */
export interface MailchimpMemberFields {
  /** For an address that is not on the list yet. Default 'subscribed'. */
  status_if_new?: MailchimpStatus
  /** Also changes a member that is there. */
  status?: MailchimpStatus
  merge_fields?: Record<string, unknown>
  interests?: Record<string, boolean>
  language?: string
  vip?: boolean
  [field: string]: unknown
}

export interface MailchimpMember {
  id: string
  email_address: string
  status: MailchimpStatus
  list_id: string
  merge_fields: Record<string, unknown>
  tags?: { id: number; name: string }[]
}

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

export interface MailchimpMemberQuery {
  status?: MailchimpStatus
  /** Changed since, ISO 8601. */
  since_last_changed?: string
  /** Items of one page, 1 to 1,000. Default 1,000. */
  count?: number
  offset?: number
}

export interface MailchimpList {
  id: string
  name: string
  stats: { member_count: number; [figure: string]: unknown }
}

export interface MailchimpEvent {
  name: string
  properties?: Record<string, string>
  /** ISO 8601. Default: now. */
  occurred_at?: string
}

/** One request of a batch. */
export interface MailchimpOperation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Behind `/3.0`: `/lists/a1/members/...`. */
  path: string
  params?: Record<string, string>
  /** Sent as JSON. */
  body?: object
  /** Names the operation in the results. */
  operation_id?: string
}

export interface MailchimpBatch {
  id: string
  status: 'pending' | 'preprocessing' | 'started' | 'finalizing' | 'finished'
  total_operations: number
  finished_operations: number
  errored_operations: number
  /** Where the results are, for ten minutes; empty until it is finished. */
  response_body_url: string
}

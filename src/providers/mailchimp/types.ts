export type MailchimpStatus = 'subscribed' | 'unsubscribed' | 'cleaned' | 'pending' | 'transactional'

/** What to set on a member; fields that are not named here are sent as they are. */
export interface MailchimpMemberFields {
  /** For an address that is not on the list yet. Default 'subscribed'. */
  status_if_new?: MailchimpStatus | undefined
  /** Also changes a member that is there. */
  status?: MailchimpStatus | undefined
  merge_fields?: Record<string, unknown> | undefined
  interests?: Record<string, boolean> | undefined
  language?: string | undefined
  vip?: boolean | undefined
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
  status?: MailchimpStatus | undefined
  /** Changed since, ISO 8601. */
  since_last_changed?: string | undefined
  /** Items of one page, 1 to 1,000. Default 1,000. */
  count?: number | undefined
  offset?: number | undefined
}

export interface MailchimpList {
  id: string
  name: string
  stats: { member_count: number; [figure: string]: unknown }
}

export interface MailchimpEvent {
  name: string
  properties?: Record<string, string> | undefined
  /** ISO 8601. Default: now. */
  occurred_at?: string | undefined
}

/** One request of a batch. */
export interface MailchimpOperation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Behind `/3.0`: `/lists/a1/members/...`. */
  path: string
  params?: Record<string, string> | undefined
  /** Sent as JSON. */
  body?: object | undefined
  /** Names the operation in the results. */
  operation_id?: string | undefined
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

export interface CalendlyUser {
  /** The user's url, which other endpoints take as `user`. */
  uri: string
  name: string
  email: string
  scheduling_url: string
  timezone: string
  current_organization: string
}

export interface CalendlyEvent {
  uri: string
  name: string
  status: 'active' | 'canceled'
  start_time: string
  end_time: string
  event_type: string
  created_at: string
  updated_at: string
}

export interface CalendlyInvitee {
  uri: string
  email: string
  name: string
  status: 'active' | 'canceled'
  event: string
  timezone: string | null
  /** Where the invitee moves the event. */
  reschedule_url?: string
  cancel_url?: string
}

export interface CalendlyPage<T> {
  collection: T[]
  pagination: { count: number; next_page_token: string | null; next_page?: string | null }
}

export interface CalendlyEventQuery {
  /** Url of a user, from `currentUser()`; or give `organization`. */
  user?: string | undefined
  organization?: string | undefined
  status?: 'active' | 'canceled' | undefined
  invitee_email?: string | undefined
  /** ISO 8601, UTC. */
  min_start_time?: string | undefined
  max_start_time?: string | undefined
  /** 1 to 100. */
  count?: number | undefined
  page_token?: string | undefined
  sort?: 'start_time:asc' | 'start_time:desc' | undefined
}

export interface CalendlyEventTypeQuery {
  /** Url of a user, from `currentUser()`; or give `organization`. */
  user?: string | undefined
  organization?: string | undefined
  active?: boolean | undefined
  /** 1 to 100. */
  count?: number | undefined
  page_token?: string | undefined
}

export interface CalendlyEventType {
  /** The event type's url, which a booking takes as `event_type`. */
  uri: string
  name: string
  active: boolean
  /** In minutes. */
  duration: number
  scheduling_url: string
}

/** At most 31 days. */
export interface CalendlyTimesQuery {
  /** Url of the event type. */
  event_type: string
  /** ISO 8601, UTC. */
  start_time: string
  end_time: string
}

export interface CalendlyAvailableTime {
  status: string
  start_time: string
  invitees_remaining: number
  scheduling_url: string
}

export interface CalendlySchedulingLink {
  booking_url: string
  owner: string
  owner_type: string
}

export interface CalendlyNewSubscription {
  /** Where events go; it cannot be changed later. */
  url: string
  /** `invitee.created`, `invitee.canceled`, ... */
  events: string[]
  organization: string
  user?: string | undefined
  scope: 'user' | 'organization'
  signing_key?: string | undefined
}

export interface CalendlySubscription {
  uri: string
  callback_url: string
  state: 'active' | 'disabled'
  events: string[]
  scope: string
}

export interface CalendlySubscriptionQuery {
  organization: string
  user?: string | undefined
  scope: 'user' | 'organization'
  count?: number | undefined
  page_token?: string | undefined
}

export interface CalendlyInviteeQuery {
  status?: 'active' | 'canceled' | undefined
  email?: string | undefined
  count?: number | undefined
  page_token?: string | undefined
}

/** A booking made for an invitee (`POST /invitees`); fields that are not named here are sent as they are. */
export interface CalendlyBooking {
  /** Url of the event type. */
  event_type: string
  /** ISO 8601, UTC. */
  start_time: string
  invitee: { name: string; email: string; timezone: string }
  location?: { kind: string; location?: string | undefined } | undefined
  /** Answers to the event type's questions; those that are required must be among them. */
  questions_and_answers?: { question: string; answer: string; position: number }[] | undefined
  /** Where the booking came from. */
  tracking?:
    | {
        utm_campaign?: string | undefined
        utm_source?: string | undefined
        utm_medium?: string | undefined
        utm_content?: string | undefined
        utm_term?: string | undefined
        salesforce_uuid?: string | undefined
      }
    | undefined
  event_guests?: string[] | undefined
  [field: string]: unknown
}

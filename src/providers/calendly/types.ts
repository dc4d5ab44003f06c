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
}

export interface CalendlyPage<T> {
  collection: T[]
  pagination: { count: number; next_page_token: string | null; next_page?: string | null }
}

export interface CalendlyEventQuery {
  /** Url of a user, from `currentUser()`; or give `organization`. */
  user?: string
  organization?: string
  status?: 'active' | 'canceled'
  invitee_email?: string
  /** ISO 8601, UTC. */
  min_start_time?: string
  max_start_time?: string
  /** 1 to 100. */
  count?: number
  page_token?: string
  sort?: 'start_time:asc' | 'start_time:desc'
}

export interface CalendlyInviteeQuery {
  status?: 'active' | 'canceled'
  email?: string
  count?: number
  page_token?: string
}

/** A booking made for an invitee (`POST /invitees`). */
export interface CalendlyBooking {
  /** Url of the event type. */
  event_type: string
  /** ISO 8601, UTC. */
  start_time: string
  invitee: { name: string; email: string; timezone: string }
  location?: { kind: string; location?: string }
}

export interface CalComSlotsQuery {
  eventTypeId?: number
  eventTypeSlug?: string
  username?: string
  /** ISO 8601, UTC. */
  start: string
  end: string
  timeZone?: string
  duration?: number
}

/** Free slots by day: `{ '2026-12-24': [{ start: '2026-12-24T09:00:00Z' }] }`. */
export type CalComSlots = Record<string, { start: string; end?: string }[]>

export interface CalComBooking {
  id: number
  uid: string
  title: string
  status: 'accepted' | 'pending' | 'cancelled' | 'rejected'
  start: string
  end: string
  eventTypeId: number
}

export interface CalComBookingQuery {
  status?: string
  attendeeEmail?: string
  eventTypeId?: number
  afterStart?: string
  beforeEnd?: string
  /** 1 to 250. */
  take?: number
  skip?: number
}

export interface CalComNewBooking {
  /** ISO 8601, UTC. */
  start: string
  eventTypeId: number
  attendee: { name: string; email: string; timeZone: string; language?: string; phoneNumber?: string }
  guests?: string[]
  metadata?: Record<string, string>
  bookingFieldsResponses?: Record<string, unknown>
}

export interface CalComReschedule {
  /** ISO 8601, UTC. */
  start: string
  reschedulingReason?: string
  rescheduledBy?: string
}

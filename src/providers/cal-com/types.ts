export interface CalComSlotsQuery {
  eventTypeId?: number | undefined
  eventTypeSlug?: string | undefined
  username?: string | undefined
  /** ISO 8601, UTC. */
  start: string
  end: string
  timeZone?: string | undefined
  duration?: number | undefined
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
  /** When it was made, ISO 8601. */
  createdAt?: string
}

export interface CalComUser {
  id: number
  email: string
  username: string
  timeZone: string
}

export interface CalComEventTypeQuery {
  username?: string | undefined
  eventSlug?: string | undefined
}

export interface CalComEventType {
  id: number
  title: string
  slug: string
  lengthInMinutes: number
}

/** A slot that is kept for a while. */
export interface CalComReservation {
  reservationUid: string
  eventTypeId: number
  slotStart: string
  slotDuration: number
  reservationUntil: string
}

/** A page of a list. */
export interface CalComPage<T> {
  data: T[]
  pagination: CalComPagination | undefined
}

export interface CalComPagination {
  totalItems: number
  remainingItems?: number
  returnedItems?: number
  itemsPerPage?: number
  currentPage?: number
  totalPages?: number
  hasNextPage: boolean
  hasPreviousPage?: boolean
}

export interface CalComBookingQuery {
  status?: string | undefined
  attendeeEmail?: string | undefined
  eventTypeId?: number | undefined
  afterStart?: string | undefined
  beforeEnd?: string | undefined
  /** 1 to 250. */
  take?: number | undefined
  skip?: number | undefined
}

/** The event type of a booking: by its id, or by its slug and whose it is. */
type CalComEventTypeOf =
  | { eventTypeId: number }
  | { eventTypeSlug: string; username: string; organizationSlug?: string | undefined }
  | { eventTypeSlug: string; teamSlug: string; organizationSlug?: string | undefined }

/** A booking; fields that are not named here are sent as they are. */
export type CalComNewBooking = CalComEventTypeOf & {
  /** ISO 8601, UTC. */
  start: string
  attendee: {
    name: string
    email?: string | undefined
    timeZone: string
    language?: string | undefined
    phoneNumber?: string | undefined
  }
  /** Where it is, for event types that leave it to the attendee: `{ type: 'attendeePhone', phone: '+44...' }`. */
  location?: { type: string; [field: string]: unknown } | string | undefined
  /** For event types of several lengths, in minutes. */
  lengthInMinutes?: number | undefined
  guests?: string[] | undefined
  metadata?: Record<string, string> | undefined
  /** Answers to the event type's own questions; those that are required must be among them. */
  bookingFieldsResponses?: Record<string, unknown> | undefined
  [field: string]: unknown
}

export interface CalComReschedule {
  /** ISO 8601, UTC. */
  start: string
  reschedulingReason?: string | undefined
  rescheduledBy?: string | undefined
}

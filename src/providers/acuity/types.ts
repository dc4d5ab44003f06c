export interface AcuityAppointment {
  id: number
  firstName: string
  lastName: string
  email: string
  phone: string
  datetime: string
  endTime: string
  type: string
  appointmentTypeID: number
  calendarID: number
  canceled?: boolean
  /** When it was booked. */
  datetimeCreated?: string
}

export interface AcuityDatesQuery {
  /** `2026-12`. */
  month: string
  appointmentTypeID: number
  calendarID?: number
  timezone?: string
}

export interface AcuityTimesQuery {
  /** `2026-12-24`. */
  date: string
  appointmentTypeID: number
  calendarID?: number
  timezone?: string
}

export interface AcuityTime {
  time: string
  slotsAvailable?: number
}

export interface AcuityTimeCheck {
  datetime: string
  appointmentTypeID: number
  calendarID?: number
}

export interface AcuityAppointmentQuery {
  minDate?: string
  maxDate?: string
  email?: string
  appointmentTypeID?: number
  calendarID?: number
  /** Those that were cancelled, and no others. */
  canceled?: boolean
  /** Those that were cancelled too. */
  showall?: boolean
  max?: number
  direction?: 'ASC' | 'DESC'
}

export interface AcuityAppointmentType {
  id: number
  name: string
  active: boolean
  /** In minutes. */
  duration: number
  price: string
  calendarIDs: number[]
}

export interface AcuityCalendar {
  id: number
  name: string
  email: string
  timezone: string
}

export interface AcuityReschedule {
  datetime: string
  timezone?: string
  calendarID?: number
}

export interface AcuityNewBlock {
  start: string
  end: string
  calendarID: number
  notes?: string
}

export interface AcuityBlock extends AcuityNewBlock {
  id: number
}

/** A client of the account. */
export interface AcuityClientRecord {
  firstName: string
  lastName: string
  email?: string
  phone?: string
  notes?: string
}

/** How an appointment is booked. */
export interface AcuityBookingOptions {
  /** Books as the business does: without checks of availability and of required fields. */
  admin?: boolean
  /** Sends the client no confirmation. */
  noEmail?: boolean
}

/** A new appointment; fields that are not named here are sent as they are. */
export interface AcuityNewAppointment {
  datetime: string
  appointmentTypeID: number
  firstName: string
  lastName: string
  email: string
  phone?: string
  calendarID?: number
  timezone?: string
  notes?: string
  /** Answers to the fields of intake forms; those that are required must be among them. */
  fields?: { id: number; value: string }[]
  addonIDs?: number[]
  /** Code of a package or coupon. */
  certificate?: string
  labels?: { id: number }[]
  [field: string]: unknown
}

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
  calendarID?: number | undefined
  timezone?: string | undefined
}

export interface AcuityTimesQuery {
  /** `2026-12-24`. */
  date: string
  appointmentTypeID: number
  calendarID?: number | undefined
  timezone?: string | undefined
}

export interface AcuityTime {
  time: string
  slotsAvailable?: number
}

export interface AcuityTimeCheck {
  datetime: string
  appointmentTypeID: number
  calendarID?: number | undefined
}

export interface AcuityAppointmentQuery {
  minDate?: string | undefined
  maxDate?: string | undefined
  email?: string | undefined
  appointmentTypeID?: number | undefined
  calendarID?: number | undefined
  /** Those that were cancelled, and no others. */
  canceled?: boolean | undefined
  /** Those that were cancelled too. */
  showall?: boolean | undefined
  max?: number | undefined
  direction?: 'ASC' | 'DESC' | undefined
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
  timezone?: string | undefined
  calendarID?: number | undefined
}

export interface AcuityNewBlock {
  start: string
  end: string
  calendarID: number
  notes?: string | undefined
}

export interface AcuityBlock extends AcuityNewBlock {
  id: number
}

/** A client of the account. */
export interface AcuityClientRecord {
  firstName: string
  lastName: string
  email?: string | undefined
  phone?: string | undefined
  notes?: string | undefined
}

/** How an appointment is booked. */
export interface AcuityBookingOptions {
  /** Books as the business does: without checks of availability and of required fields. */
  admin?: boolean | undefined
  /** Sends the client no confirmation. */
  noEmail?: boolean | undefined
}

/** A new appointment; fields that are not named here are sent as they are. */
export interface AcuityNewAppointment {
  datetime: string
  appointmentTypeID: number
  firstName: string
  lastName: string
  email: string
  phone?: string | undefined
  calendarID?: number | undefined
  timezone?: string | undefined
  notes?: string | undefined
  /** Answers to the fields of intake forms; those that are required must be among them. */
  fields?: { id: number; value: string }[] | undefined
  addonIDs?: number[] | undefined
  /** Code of a package or coupon. */
  certificate?: string | undefined
  labels?: { id: number }[] | undefined
  [field: string]: unknown
}

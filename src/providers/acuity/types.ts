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
  canceled?: boolean
  max?: number
  direction?: 'ASC' | 'DESC'
}

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
  fields?: { id: number; value: string }[]
}

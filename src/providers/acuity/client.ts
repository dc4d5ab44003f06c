import { type Checks, optional } from '../../checks.ts'
import { splitOptions } from '../kit/agent/provider-options.ts'
import type { ProviderOptions } from '../kit/agent/provider.ts'
import {
  basicAuthorization,
  credentialOption,
  type CurrentToken,
  type Token,
  tokenOption,
} from '../kit/client/credential.ts'
import { type CallInit, ProviderClient } from '../kit/client/provider-client.ts'
import { segment } from '../kit/client/segment.ts'
import { type Found, sameMoment, type Sought, textIn } from '../kit/settle/settle.ts'
import { acuityProvider } from './agent.ts'
import type {
  AcuityAppointment,
  AcuityAppointmentQuery,
  AcuityAppointmentType,
  AcuityBlock,
  AcuityBookingOptions,
  AcuityCalendar,
  AcuityClientRecord,
  AcuityDatesQuery,
  AcuityNewAppointment,
  AcuityNewBlock,
  AcuityReschedule,
  AcuityTime,
  AcuityTimeCheck,
  AcuityTimesQuery,
} from './types.ts'

/** Either `userId` and `apiKey`, or `accessToken`. */
export interface AcuityClientOptions extends ProviderOptions {
  /** The numeric user id of the account. */
  userId?: string | number | undefined
  apiKey?: string | undefined
  /** An OAuth 2 token, or what gives the current one. */
  accessToken?: Token | undefined
}

interface OwnPolicy {
  readonly userId: string | undefined
  readonly apiKey: string | undefined
  readonly accessToken: CurrentToken | undefined
}

const clientChecks: Checks<Omit<AcuityClientOptions, keyof ProviderOptions>, OwnPolicy> = {
  userId: optional(userIdOption),
  apiKey: optional(credentialOption),
  accessToken: optional(tokenOption),
}

function userIdOption(name: string, value: unknown): string {
  const user = credentialOption(name, typeof value === 'number' ? String(value) : value)
  if (!user.includes(':')) return user
  throw new RangeError(`\`${name}\` must hold no colon, which ends the user of Basic authentication`)
}

/**
 * What applications do most with Acuity, with the preset's resilience; everything else by `request(path, init)`.
 *
 * @example
 * const acuity = createAcuityClient({ userId: 12345, apiKey: key, store })
 * const times = await acuity.availableTimes({ date: '2026-12-24', appointmentTypeID: 1 })
 */
export class AcuityClient extends ProviderClient {
  /** @throws TypeError, RangeError naming the option, before any request */
  constructor(options: AcuityClientOptions) {
    const { own, rest } = splitOptions('createAcuityClient', clientChecks, options)
    super(acuityProvider, rest, credentials(own))
  }

  /** The appointment types, whose ids every other call needs. A GET, so it is retried. */
  async appointmentTypes(init: CallInit = {}): Promise<AcuityAppointmentType[]> {
    return this.json('GET', '/appointment-types', init)
  }

  /** The calendars. A GET, so it is retried. */
  async calendars(init: CallInit = {}): Promise<AcuityCalendar[]> {
    return this.json('GET', '/calendars', init)
  }

  /** The days of a month that have free times. */
  async availableDates(query: AcuityDatesQuery, init: CallInit = {}): Promise<{ date: string }[]> {
    return this.json('GET', '/availability/dates', { query, ...init })
  }

  /** The free times of a day. */
  async availableTimes(query: AcuityTimesQuery, init: CallInit = {}): Promise<AcuityTime[]> {
    return this.json('GET', '/availability/times', { query, ...init })
  }

  /** Whether a time is still free. A POST that only reads, so it is retried. */
  async checkTime(time: AcuityTimeCheck, init: CallInit = {}): Promise<{ valid: boolean; error?: string }> {
    return this.json('POST', '/availability/check-times', { body: time, ...init })
  }

  async listAppointments(
    query: AcuityAppointmentQuery = {},
    init: CallInit = {},
  ): Promise<AcuityAppointment[]> {
    return this.json('GET', '/appointments', { query, ...init })
  }

  /** An appointment. A GET, so it is retried. */
  async getAppointment(id: number | string, init: CallInit = {}): Promise<AcuityAppointment> {
    return this.json('GET', `/appointments/${segment('id', id)}`, init)
  }

  /** Books. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second appointment. */
  async createAppointment(
    appointment: AcuityNewAppointment,
    options: AcuityBookingOptions & CallInit = {},
  ): Promise<AcuityAppointment> {
    const { admin, noEmail, ...init } = options
    return this.json('POST', '/appointments', { body: appointment, query: { admin, noEmail }, ...init })
  }

  /** Cancels an appointment; a PUT, so it is retried. */
  async cancelAppointment(
    id: number | string,
    cancelNote?: string,
    init: CallInit = {},
  ): Promise<AcuityAppointment> {
    return this.json('PUT', `/appointments/${segment('id', id)}/cancel`, {
      body: cancelNote === undefined ? {} : { cancelNote },
      ...init,
    })
  }

  /**
   * Moves an appointment. A PUT, so it is retried: the second time it is at that time already.
   * @see https://developers.acuityscheduling.com/reference/put-appointments-id-reschedule
   */
  async rescheduleAppointment(
    id: number | string,
    change: AcuityReschedule,
    options: AcuityBookingOptions & CallInit = {},
  ): Promise<AcuityAppointment> {
    const { admin, noEmail, ...init } = options
    const query = { admin, noEmail }
    return this.json('PUT', `/appointments/${segment('id', id)}/reschedule`, { body: change, query, ...init })
  }

  /** Blocks of time, in which nothing can be booked. A GET, so it is retried. */
  async listBlocks(
    query: {
      calendarID?: number | undefined
      minDate?: string | undefined
      maxDate?: string | undefined
      max?: number | undefined
    } = {},
    init: CallInit = {},
  ): Promise<AcuityBlock[]> {
    return this.json('GET', '/blocks', { query, ...init })
  }

  /** Blocks a time. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second block. */
  async createBlock(block: AcuityNewBlock, init: CallInit = {}): Promise<AcuityBlock> {
    return this.json('POST', '/blocks', { body: block, ...init })
  }

  /** Frees a blocked time. A DELETE, so it is retried. */
  async deleteBlock(id: number | string, init: CallInit = {}): Promise<void> {
    await this.json('DELETE', `/blocks/${segment('id', id)}`, init)
  }

  /** Clients whose name, e-mail address or phone number has the text. A GET, so it is retried. */
  async listClients(
    query: { search?: string | undefined } = {},
    init: CallInit = {},
  ): Promise<AcuityClientRecord[]> {
    return this.json('GET', '/clients', { query, ...init })
  }

  /** Adds a client. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second client. */
  async createClient(client: AcuityClientRecord, init: CallInit = {}): Promise<AcuityClientRecord> {
    return this.json('POST', '/clients', { body: client, ...init })
  }

  /** A booking by its e-mail address, appointment type and time, which must say how far it is from UTC. */
  protected override async lookUp({ method, path, body, since }: Sought): Promise<Found> {
    const email = textIn(body, 'email')
    const datetime = textIn(body, 'datetime') ?? ''
    const appointmentTypeID = body['appointmentTypeID']
    if (method !== 'POST' || !path.endsWith('/appointments') || email === undefined) return undefined
    if (!/(Z|[+-]\d{2}:?\d{2})$/.test(datetime) || typeof appointmentTypeID !== 'number') return undefined
    // days are those of the account's time zone
    const day = (days: number) => new Date(Date.parse(datetime) + days * DAY_MS).toISOString().slice(0, 10)
    const found = await this.listAppointments({
      email,
      appointmentTypeID,
      minDate: day(-1),
      maxDate: day(1),
      showall: true,
      max: 1_000,
    })
    const same = found.filter((one) => sameMoment(one.datetime, datetime))
    if (same.some((one) => one.canceled !== true)) return 'done'
    if (same.length === 0) return 'not-done'
    // cancelled: since the first attempt, then it had arrived; or before it
    if (same.some(({ datetimeCreated }) => datetimeCreated === undefined)) return undefined
    return same.some((one) => Date.parse(one.datetimeCreated!) >= since) ? 'done' : 'not-done'
  }
}

const DAY_MS = 86_400_000

function credentials({ userId, apiKey, accessToken }: OwnPolicy): () => Promise<Record<string, string>> {
  if (accessToken !== undefined) {
    if (userId !== undefined || apiKey !== undefined) {
      throw new TypeError('`accessToken` and `userId` with `apiKey` exclude each other, got both')
    }
    return async () => ({ authorization: `Bearer ${await accessToken()}` })
  }
  const authorization = basicAuthorization(
    credentialOption('userId', userId),
    credentialOption('apiKey', apiKey),
  )
  return () => Promise.resolve({ authorization })
}

/** Makes a client for Acuity Scheduling. @see AcuityClient */
export function createAcuityClient(options: AcuityClientOptions): AcuityClient {
  return new AcuityClient(options)
}

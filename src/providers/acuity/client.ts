import { basicAuthorization, credentialOption, type Token, tokenOption } from '../shared/credential.ts'
import { type CallInit, ProviderClient, segment } from '../shared/provider-client.ts'
import type { ProviderOptions } from '../shared/provider.ts'
import { splitOptions } from '../shared/split-options.ts'
import { acuityProvider } from './agent.ts'
import type {
  AcuityAppointment,
  AcuityAppointmentQuery,
  AcuityDatesQuery,
  AcuityNewAppointment,
  AcuityTime,
  AcuityTimeCheck,
  AcuityTimesQuery,
} from './types.ts'

/** Either `userId` and `apiKey`, or `accessToken`. */
export interface AcuityClientOptions extends ProviderOptions {
  /** The numeric user id of the account. */
  userId?: string | number
  apiKey?: string
  /** An OAuth 2 token, or what gives the current one. */
  accessToken?: Token
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
    const rest = splitOptions('createAcuityClient', options, ['userId', 'apiKey', 'accessToken'])
    super(acuityProvider, rest, credentials(options))
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

  /** Books. Not repeatable: after a timeout or a 5xx it becomes a dead letter instead of a second appointment. */
  async createAppointment(
    appointment: AcuityNewAppointment,
    init: CallInit = {},
  ): Promise<AcuityAppointment> {
    return this.json('POST', '/appointments', { body: appointment, ...init })
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
}

function credentials(options: AcuityClientOptions): () => Promise<Record<string, string>> {
  const { userId, apiKey, accessToken } = options
  if (accessToken !== undefined) {
    if (userId !== undefined || apiKey !== undefined) {
      throw new TypeError('`accessToken` and `userId` with `apiKey` exclude each other, got both')
    }
    const token = tokenOption('accessToken', accessToken)
    return async () => ({ authorization: `Bearer ${await token()}` })
  }
  const user = credentialOption('userId', typeof userId === 'number' ? String(userId) : userId)
  if (user.includes(':'))
    throw new RangeError('`userId` must hold no colon, which ends the user of Basic authentication')
  const authorization = basicAuthorization(user, credentialOption('apiKey', apiKey))
  return () => Promise.resolve({ authorization })
}

/** Makes a client for Acuity Scheduling. @see AcuityClient */
export function createAcuityClient(options: AcuityClientOptions): AcuityClient {
  return new AcuityClient(options)
}

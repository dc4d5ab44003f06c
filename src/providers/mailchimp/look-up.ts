import { isIntegrationError } from '../../errors.ts'
import type { SendJson } from '../kit/client/provider-client.ts'
import { type Found, sameMoment, type Sought, textIn } from '../kit/settle/settle.ts'
import { memberHash } from './member-hash.ts'

interface Member {
  /** When it was added by itself, or by the API; empty where it was not. */
  timestamp_signup?: string
  timestamp_opt?: string
}

interface Event {
  name: string
  occurred_at: string
  properties?: Record<string, unknown>
}

/**
 * Whether an unknown POST of the Marketing API has arrived: a member that was added, an event of a member, a campaign that
 * was sent. Of all else, batches among it, nobody can say.
 */
export async function lookUpMailchimp({ method, path, body, since }: Sought, json: SendJson): Promise<Found> {
  if (method !== 'POST') return undefined
  const [, campaign] = /(\/campaigns\/[^/]+)\/actions\/send$/.exec(path) ?? []
  if (campaign !== undefined) {
    const { status } = await json<{ status: string }>('GET', campaign)
    if (status === 'sending' || status === 'sent') return 'done'
    return status === 'save' ? 'not-done' : undefined
  }
  const [, member] = /(\/lists\/[^/]+\/members\/[^/]+)\/events$/.exec(path) ?? []
  const name = textIn(body, 'name')
  if (member !== undefined && name !== undefined) {
    const { events } = await json<{ events: Event[] }>('GET', `${member}/events`, { query: { count: 1_000 } })
    return events.some((event) => event.name === name && isSame(event, body, since)) ? 'done' : 'not-done'
  }
  const [, members] = /(\/lists\/[^/]+\/members)$/.exec(path) ?? []
  const email = textIn(body, 'email_address')
  if (members === undefined || email === undefined) return undefined
  try {
    const { timestamp_signup: signup, timestamp_opt: opt } = await json<Member>(
      'GET',
      `${members}/${memberHash(email)}`,
    )
    // one that was there before is left to a person: the create was refused
    return [signup, opt].some((at) => Date.parse(at ?? '') >= since) ? 'done' : undefined
  } catch (error) {
    if (isIntegrationError(error) && error.statusCode === 404) return 'not-done'
    throw error
  }
}

/** The same time where one was given, else since the first attempt; and the same properties. */
function isSame(event: Event, sent: Sought['body'], since: number): boolean {
  const at = textIn(sent, 'occurred_at')
  const inTime = at === undefined ? Date.parse(event.occurred_at) >= since : sameMoment(event.occurred_at, at)
  const properties = Object.entries((sent['properties'] ?? {}) as Record<string, unknown>)
  return inTime && properties.every(([field, value]) => event.properties?.[field] === value)
}

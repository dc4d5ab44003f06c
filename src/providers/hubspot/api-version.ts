import { stringOption } from '../../options.ts'
import { segment } from '../kit/client/segment.ts'

/** @throws TypeError, RangeError for what is no version of HubSpot's API */
export function apiVersionOption(name: string, value: unknown): string {
  const version = stringOption(name, value)
  if (/^(v3|20\d{2}-(03|09))$/.test(version)) return version
  throw new RangeError(
    `\`${name}\` must be "v3" or a version such as "2026-09", got ${JSON.stringify(version)}`,
  )
}

/** Where the objects of a type are: contacts, deals, a custom type's `p12345_ship`. */
export function objectsPath(version: string, type: string): string {
  const named = segment('type', type)
  return version === 'v3' ? `/crm/v3/objects/${named}` : `/crm/objects/${version}/${named}`
}

/** Where two objects are joined; the legacy API has it under v4. */
export function associationPath(version: string, from: HubSpotObjectRef, to: HubSpotObjectRef): string {
  const objects = version === 'v3' ? '/crm/v4/objects' : `/crm/objects/${version}`
  const [fromType, fromId, toType, toId] = [from.type, from.id, to.type, to.id].map((part, index) =>
    segment(['from.type', 'from.id', 'to.type', 'to.id'][index]!, part),
  )
  return `${objects}/${fromType}/${fromId}/associations/default/${toType}/${toId}`
}

/** Where the records of a list are. */
export function membershipsPath(version: string, listId: string | number): string {
  const lists = version === 'v3' ? '/crm/v3/lists' : `/crm/lists/${version}`
  return `${lists}/${segment('listId', listId)}/memberships`
}

/** One object: its type (`contacts`, `deals`) and its id. */
export interface HubSpotObjectRef {
  type: string
  id: string | number
}

/** The object type of a path that creates one; `undefined` for any other path. */
export function createdType(path: string): string | undefined {
  return /^\/crm\/(?:v3\/objects|objects\/\d{4}-\d{2})\/([^/]+)$/.exec(path)?.[1]
}

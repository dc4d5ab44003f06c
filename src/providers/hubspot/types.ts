/** Property values by name; HubSpot keeps all of them as text. */
export type HubSpotProperties = Readonly<Record<string, string | number | boolean | null>>

export interface HubSpotObject {
  id: string
  properties: Record<string, string | null>
  createdAt: string
  updatedAt: string
  archived?: boolean
  /** In an upsert: whether the contact was made by it. */
  new?: boolean
}

export interface HubSpotUpsert {
  /** The key of the upsert. */
  email: string
  properties?: HubSpotProperties | undefined
}

/** An input of an upsert of any type. */
export interface HubSpotObjectUpsert {
  /** The value of the unique property. */
  id: string
  properties?: HubSpotProperties | undefined
}

/** What a new object belongs to. */
export interface HubSpotAssociation {
  to: { id: string | number }
  types: { associationCategory: string; associationTypeId: number }[]
}

/** What became of a change to a list. */
export interface HubSpotMemberships {
  recordIdsMissing: string[]
  recordIdsRemoved: string[]
  recordsIdsAdded: string[]
}

/** One input that HubSpot refused. */
export interface HubSpotBatchError {
  status?: string
  category?: string
  message: string
  /** Says which input it was: `{ id: ['ada@example.com'] }`. */
  context?: Record<string, string[]>
}

export interface HubSpotBatchResult {
  results: HubSpotObject[]
  errors: HubSpotBatchError[]
  /** HubSpot took some inputs and refused others (status 207). */
  partial: boolean
}

export interface HubSpotSearch {
  query?: string | undefined
  filterGroups?:
    | {
        filters: {
          propertyName: string
          operator: string
          value?: string | undefined
          values?: string[] | undefined
        }[]
      }[]
    | undefined
  properties?: string[] | undefined
  sorts?: { propertyName: string; direction: 'ASCENDING' | 'DESCENDING' }[] | undefined
  /** 1 to 200. */
  limit?: number | undefined
  /** `paging.next.after` of the page before. */
  after?: string | undefined
}

export interface HubSpotSearchResult {
  total: number
  results: HubSpotObject[]
  paging?: { next?: { after: string } }
}

import { describe, expect, it } from 'vitest'
import { createHubSpotClient, type HubSpotClient } from '../../../../src/providers/hubspot.ts'
import { type MethodCase, methods } from './scripted.ts'

const object = { id: '7', properties: {}, createdAt: 'c', updatedAt: 'u' }

describe.each(['contacts', 'companies', 'deals', 'tickets', 'notes', 'tasks'] as const)(
  'HubSpot %s',
  (type) => {
    const path = `/crm/objects/2026-09/${type}`
    methods<HubSpotClient>((options) => createHubSpotClient({ accessToken: 't', ...options }), {
      'are created, never twice': {
        call: (client) =>
          client[type].create(
            { a: 1 },
            {
              associations: [
                {
                  to: { id: 5 },
                  types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 202 }],
                },
              ],
            },
          ),
        sends: `POST ${path}`,
        body: {
          properties: { a: 1 },
          associations: [
            { to: { id: 5 }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 202 }] },
          ],
        },
        answer: object,
        gives: object,
        repeatable: false,
      },
      'are read by id, with the properties asked for': {
        call: (client) => client[type].get(7, { properties: ['a', 'b'] }),
        sends: `GET ${path}/7?properties=a%2Cb`,
        answer: object,
        gives: object,
        repeatable: true,
      },
      'are found by a unique property': {
        call: (client) => client[type].find('order_id', '4/2'),
        sends: `GET ${path}/4%2F2?idProperty=order_id`,
        answer: object,
        gives: object,
        repeatable: true,
      },
      'are undefined where none is found': {
        call: (client) => client[type].find('order_id', '42'),
        sends: `GET ${path}/42?idProperty=order_id`,
        answer: 404,
        gives: undefined,
        repeatable: true,
      },
      'are updated, and again after a 5xx': {
        call: (client) => client[type].update('7', { a: null }),
        sends: `PATCH ${path}/7`,
        body: { properties: { a: null } },
        answer: object,
        gives: object,
        repeatable: true,
      },
      'are upserted by a unique property': {
        call: (client) => client[type].upsert('order_id', [{ id: '42', properties: { a: 1 } }]),
        sends: `POST ${path}/batch/upsert`,
        body: { inputs: [{ idProperty: 'order_id', id: '42', properties: { order_id: '42', a: 1 } }] },
        answer: { results: [object] },
        gives: { results: [object], errors: [], partial: false },
        repeatable: true,
      },
      'are searched': {
        call: (client) => client[type].search({ query: 'x' }),
        sends: `POST ${path}/search`,
        body: { query: 'x' },
        answer: { total: 0, results: [] },
        gives: { total: 0, results: [] },
        repeatable: true,
      },
      'are archived': {
        call: (client) => client[type].archive(7),
        sends: `DELETE ${path}/7`,
        answer: 204,
        gives: undefined,
        repeatable: true,
      },
    })
  },
)

const memberships = { recordIdsMissing: [], recordIdsRemoved: [], recordsIdsAdded: ['1'] }
const related: Record<string, MethodCase<HubSpotClient>> = {
  'joins two objects': {
    call: (client) => client.associate({ type: 'contacts', id: 1 }, { type: 'companies', id: 2 }),
    sends: 'PUT /crm/objects/2026-09/contacts/1/associations/default/companies/2',
    gives: undefined,
    repeatable: true,
  },
  'puts objects on a list': {
    call: (client) => client.addToList(9, [1]),
    sends: 'PUT /crm/lists/2026-09/9/memberships/add',
    body: ['1'],
    answer: memberships,
    gives: memberships,
    repeatable: true,
  },
  'takes them off it': {
    call: (client) => client.removeFromList(9, ['1']),
    sends: 'PUT /crm/lists/2026-09/9/memberships/remove',
    body: ['1'],
    answer: memberships,
    gives: memberships,
    repeatable: true,
  },
  'has the objects of a type of your own': {
    call: (client) => client.objects('p12345_ship').create({ name: 'Ada' }),
    sends: 'POST /crm/objects/2026-09/p12345_ship',
    body: { properties: { name: 'Ada' } },
    answer: object,
    gives: object,
    repeatable: false,
  },
}

describe('HubSpot', () => {
  methods<HubSpotClient>((options) => createHubSpotClient({ accessToken: 't', ...options }), related)
})

describe('the legacy version of HubSpot', () => {
  methods<HubSpotClient>(
    (options) => createHubSpotClient({ accessToken: 't', apiVersion: 'v3', ...options }),
    {
      'joins two objects under v4': {
        ...related['joins two objects']!,
        sends: 'PUT /crm/v4/objects/contacts/1/associations/default/companies/2',
      },
      'has its lists under v3': {
        ...related['puts objects on a list']!,
        sends: 'PUT /crm/v3/lists/9/memberships/add',
      },
      'has its objects under v3': {
        call: (client) => client.deals.create({ dealname: 'Order 42' }),
        sends: 'POST /crm/v3/objects/deals',
        body: { properties: { dealname: 'Order 42' } },
        repeatable: false,
      },
    },
  )

  it('refuses what would lead to another endpoint', async () => {
    const client = createHubSpotClient({ accessToken: 't', baseUrl: 'http://127.0.0.1:9' })
    expect(() => client.objects('..')).toThrow('`type` must be an id, got ".."')
    await expect(client.associate({ type: 'contacts', id: 1 }, { type: 'deals', id: '' })).rejects.toThrow(
      '`to.id` must be',
    )
    await expect(client.deals.upsert('order_id', [])).rejects.toThrow('1 to 100 deals, got 0')
    await client.close()
  })

  it('refuses unique properties that are none', () => {
    for (const uniqueProperties of [null, ['email'], 'email', { deals: '' }, { deals: 7 }]) {
      expect(() => createHubSpotClient({ accessToken: 't', uniqueProperties } as never)).toThrow(
        '`uniqueProperties',
      )
    }
  })
})

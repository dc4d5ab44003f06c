import { describe } from 'vitest'
import {
  createMailchimpClient,
  createMailchimpTransactionalClient,
  type MailchimpClient,
  memberHash,
  type MailchimpTransactionalClient,
} from '../../../../src/providers/mailchimp.ts'
import { createSendGridClient, type SendGridClient } from '../../../../src/providers/sendgrid.ts'
import { methods } from './scripted.ts'

const ada = 'ada@example.com'

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('SendGrid', () => {
  methods<SendGridClient>((options) => createSendGridClient({ apiKey: 'k', ...options }), {
    'finds contacts by their addresses': {
      call: (client) => client.findContacts([ada, 'bob@example.com']),
      sends: 'POST /v3/marketing/contacts/search/emails',
      body: { emails: [ada, 'bob@example.com'] },
      answer: { result: { [ada]: { contact: { id: '1' } }, 'bob@example.com': { error: 'not found' } } },
      gives: { [ada]: { id: '1' } },
      repeatable: true,
    },
    'finds none': {
      call: (client) => client.findContacts([ada]),
      sends: 'POST /v3/marketing/contacts/search/emails',
      body: { emails: [ada] },
      answer: 404,
      gives: {},
      repeatable: true,
    },
    'deletes contacts': {
      call: (client) => client.deleteContacts(['1', '2']),
      sends: 'DELETE /v3/marketing/contacts?ids=1%2C2',
      answer: { job_id: 'j' },
      gives: { jobId: 'j' },
      repeatable: true,
    },
    'gives all lists': {
      call: (client) => all(client.lists()),
      sends: 'GET /v3/marketing/lists?page_size=100',
      answer: { result: [{ id: 'l' }], _metadata: {} },
      gives: [{ id: 'l' }],
      repeatable: true,
    },
    'makes a list, never two': {
      call: (client) => client.createList('News'),
      sends: 'POST /v3/marketing/lists',
      body: { name: 'News' },
      answer: { id: 'l' },
      gives: { id: 'l' },
      repeatable: false,
    },
    'keeps mail from an address': {
      call: (client) => client.suppress([ada]),
      sends: 'POST /v3/asm/suppressions/global',
      body: { recipient_emails: [ada] },
      gives: undefined,
      repeatable: true,
    },
    'lets mail go to it again': {
      call: (client) => client.unsuppress(ada),
      sends: 'DELETE /v3/asm/suppressions/global/ada%40example.com',
      answer: 204,
      gives: undefined,
      repeatable: true,
    },
    'says whether mail is kept from it': {
      call: (client) => client.isSuppressed(ada),
      sends: 'GET /v3/asm/suppressions/global/ada%40example.com',
      answer: {},
      gives: false,
      repeatable: true,
    },
    'validates an address, and pays once': {
      call: (client) => client.validateEmail(ada, { source: 'signup' }),
      sends: 'POST /v3/validations/email',
      body: { email: ada, source: 'signup' },
      answer: { result: { email: ada, verdict: 'Valid', score: 1 } },
      gives: { email: ada, verdict: 'Valid', score: 1 },
      repeatable: false,
    },
  })
})

describe('Mailchimp', () => {
  const member = `/lists/l1/members/${memberHash(ada)}`
  methods<MailchimpClient>((options) => createMailchimpClient({ apiKey: 'k-us6', ...options }), {
    'finds a member': {
      call: (client) => client.findMember('l1', ada),
      sends: `GET ${member}`,
      answer: { id: 'h' },
      gives: { id: 'h' },
      repeatable: true,
    },
    'finds none': {
      call: (client) => client.findMember('l1', ada),
      sends: `GET ${member}`,
      answer: 404,
      gives: undefined,
      repeatable: true,
    },
    'searches members, each given once': {
      call: (client) => client.searchMembers('ada', { listId: 'l1' }),
      sends: 'GET /search-members?query=ada&list_id=l1',
      answer: {
        exact_matches: { members: [{ id: 'h', list_id: 'l1' }] },
        full_search: {
          members: [
            { id: 'h', list_id: 'l1' },
            { id: 'i', list_id: 'l1' },
          ],
        },
      },
      gives: [
        { id: 'h', list_id: 'l1' },
        { id: 'i', list_id: 'l1' },
      ],
      repeatable: true,
    },
    'gives all members of a list': {
      call: (client) => all(client.members('l1', { status: 'subscribed' })),
      sends: 'GET /lists/l1/members?status=subscribed&count=1000&offset=0',
      answer: { members: [{ id: 'h' }], total_items: 1 },
      gives: [{ id: 'h' }],
      repeatable: true,
    },
    'gives all lists': {
      call: (client) => all(client.lists()),
      sends: 'GET /lists?count=1000&offset=0',
      answer: { lists: [{ id: 'l1' }], total_items: 1 },
      gives: [{ id: 'l1' }],
      repeatable: true,
    },
    'ends a subscription': {
      call: (client) => client.unsubscribeMember('l1', ada),
      sends: `PATCH ${member}`,
      body: { status: 'unsubscribed' },
      answer: { id: 'h' },
      gives: { id: 'h' },
      repeatable: true,
    },
    'archives a member': {
      call: (client) => client.archiveMember('l1', ada),
      sends: `DELETE ${member}`,
      answer: 204,
      gives: undefined,
      repeatable: true,
    },
    'tells of an event, never twice': {
      call: (client) => client.addEvent('l1', ada, { name: 'bought' }),
      sends: `POST ${member}/events`,
      body: { name: 'bought' },
      answer: 204,
      gives: undefined,
      repeatable: false,
    },
    'hands over a batch, never twice': {
      call: (client) => client.createBatch([{ method: 'PUT', path: member, body: { vip: true } }]),
      sends: 'POST /batches',
      body: { operations: [{ method: 'PUT', path: member, body: '{"vip":true}' }] },
      answer: { id: 'b' },
      gives: { id: 'b' },
      repeatable: false,
    },
    'says how far a batch is': {
      call: (client) => client.getBatch('b'),
      sends: 'GET /batches/b',
      answer: { id: 'b', status: 'finished' },
      gives: { id: 'b', status: 'finished' },
      repeatable: true,
    },
  })
})

describe('Mailchimp Transactional', () => {
  methods<MailchimpTransactionalClient>(
    (options) => createMailchimpTransactionalClient({ apiKey: 'k', ...options }),
    {
      'says what became of a mail': {
        call: (client) => client.info('m1'),
        sends: 'POST /messages/info',
        body: { key: 'k', id: 'm1' },
        answer: { _id: 'm1' },
        gives: { _id: 'm1' },
        repeatable: true,
      },
      'lists addresses that get no mail': {
        call: (client) => client.listRejects({ email: ada }),
        sends: 'POST /rejects/list',
        body: { key: 'k', email: ada },
        answer: [],
        gives: [],
        repeatable: true,
      },
      'takes an address off that list': {
        call: (client) => client.deleteReject(ada),
        sends: 'POST /rejects/delete',
        body: { key: 'k', email: ada },
        answer: { email: ada, deleted: true },
        gives: true,
        repeatable: false,
      },
      'lists templates': {
        call: (client) => client.listTemplates({ label: 'news' }),
        sends: 'POST /templates/list',
        body: { key: 'k', label: 'news' },
        answer: [],
        gives: [],
        repeatable: true,
      },
      'gives a template': {
        call: (client) => client.templateInfo('welcome'),
        sends: 'POST /templates/info',
        body: { key: 'k', name: 'welcome' },
        answer: { slug: 'welcome' },
        gives: { slug: 'welcome' },
        repeatable: true,
      },
    },
  )
})

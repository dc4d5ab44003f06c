import { request } from 'undici'
import { expect, it } from 'vitest'
import { deadLetter } from '../../../../src/dead-letter/interceptor.ts'
import { ScriptedDispatcher } from '../../../support/calls/scripted-dispatcher.ts'

const bug = new Error('a bug')

it.each<[string, () => unknown, string | undefined]>([
  ['a bigint', () => 12n, '12'],
  [
    'what cannot be written',
    () => ({
      toJSON: () => {
        throw bug
      },
    }),
    undefined,
  ],
])('an ordering key that is %s costs no dead letter', async (_what, orderingKey, kept) => {
  const server = new ScriptedDispatcher()
  server.answer = (attempt) => attempt.respond(503)
  const told: object[] = []
  const note = (context: object): void => void told.push(context)
  const letters = deadLetter({
    orderingKey: orderingKey as () => string,
    logger: { info: note, warn: note, error: note },
  })
  const { body } = await request('http://crm.test/', { dispatcher: server.compose(letters) })
  await body.dump()
  const { items } = await letters.deadLetters.list()
  expect(items).toHaveLength(1)
  expect(items[0]?.orderingKey).toBe(kept)
  expect(told.some((line) => 'hook' in line && line.hook === 'orderingKey')).toBe(kept === undefined)
})

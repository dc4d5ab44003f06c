import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { View } from '../../../../src/circuit/machine/state.ts'
import {
  circuitId,
  decodeMessage,
  decodeView,
  encodeView,
  messageHead,
} from '../../../../src/circuit/shared/wire.ts'

const views: fc.Arbitrary<View> = fc.record({
  epoch: fc.maxSafeNat(),
  state: fc.constantFrom('closed', 'open', 'half-open'),
  remainingMs: fc.nat(2 ** 31 - 1),
  trips: fc.nat(1_000),
  override: fc.constantFrom(undefined, 'isolated', 'forced-closed'),
  by: fc.stringMatching(/^(|[\w-]{2,64})$/),
})

test('what is written of a view is read as the same view, with the time of the server', () => {
  fc.assert(
    fc.property(views, fc.nat(2 ** 40), (view, serverMs) => {
      const text = `${encodeView(view)} ${serverMs * 1_000}`
      expect(decodeView(text)).toEqual({ view, serverMs })
      const id = circuitId('https://api.test')
      expect(decodeMessage(`${messageHead(id)} ${text}`)).toEqual({ id, view, serverMs })
    }),
  )
})

test('anything else is no view and no message', () => {
  const view = '17 o 100 1 - p1 1700000000000000'
  expect(decodeView(view)).toBeDefined()
  for (const text of [
    '',
    'nil o 100 1 - p1 1700000000000000',
    '99999999999999999 o 100 1 - p1 1700000000000000',
    '9999999999999999 o 100 1 - p1 1700000000000000',
    '17 x 100 1 - p1 1700000000000000',
    '17 o -1 1 - p1 1700000000000000',
    '17 o 100 1 z p1 1700000000000000',
    '17 o 100 1 - p1',
    `${view} more`,
    `${view}\n`,
    undefined,
    null,
    17,
    [view],
  ]) {
    expect(decodeView(text), String(text)).toBeUndefined()
  }
  expect(decodeMessage(`1 a ${view}`)).toBeDefined()
  for (const message of ['', '1', '1 a', view, `2 a ${view}`, `1 ${view}`, `1 a  ${view}`]) {
    expect(decodeMessage(message), message).toBeUndefined()
  }
})

test('a key of plain characters is its own name, any other has one that stands for it', () => {
  expect(circuitId('https://api.example.com:8443/v1')).toBe('https://api.example.com:8443/v1')
  for (const key of ['a b', '{a}', 'ä', 'a\nb', '', 'x'.repeat(201)]) {
    const id = circuitId(key)
    expect(id).toMatch(/^sha256-[0-9a-f]{40}$/)
    expect(circuitId(id)).toBe(id)
  }
})

import { describe, expect, it } from 'vitest'
import {
  type Checks,
  duration,
  integer,
  layer,
  needs,
  number,
  object,
  ofOption,
  oneOf,
  optional,
  overrides,
  resolveGiven,
  resolveOptions,
  setOf,
  withDefault,
} from '../../src/checks.ts'
import { stringOption } from '../../src/options.ts'

interface Options {
  most?: number
  least?: number
  kind?: 'a' | 'b'
  names?: readonly string[]
  inner?: { depth?: number }
  layer?: { depth?: number } | false
  extra?: number
}
interface Policy {
  most: number
  least: number
  kind: 'a' | 'b'
  names: ReadonlySet<string>
  inner: { depth: number }
  layer: { depth: number } | false
  extra: number | undefined
}

const depths: Checks<{ depth?: number }, { depth: number }> = { depth: withDefault(integer({ max: 9 }), 3) }
const checks: Checks<Options, Policy> = {
  // looks at a row beneath it
  most: withDefault(number({ min: ofOption('least') }), ({ least }) => least * 2),
  least: withDefault(duration({ min: 1 }), 10),
  kind: withDefault(oneOf('a', 'b'), 'a'),
  names: withDefault(setOf(stringOption), new Set<string>()),
  inner: withDefault(object(depths), { depth: 0 }),
  layer: layer(depths),
  extra: optional(needs('kind', integer())),
}
const resolve = (options: Options) => resolveOptions('make', checks, options)

describe('resolveOptions', () => {
  it('fills in every default, also one that is another option, in whatever order they stand', () => {
    expect(resolve({ least: 4 })).toEqual({
      most: 8,
      least: 4,
      kind: 'a',
      names: new Set(),
      inner: { depth: 0 },
      layer: { depth: 3 },
      extra: undefined,
    })
  })

  it('gives a plain object of values: nothing is computed when it is read', () => {
    for (const property of Object.values(Object.getOwnPropertyDescriptors(resolve({})))) {
      expect(property).toHaveProperty('value')
    }
  })

  it('takes a layer as off, an object of options by its own table, a list as a set', () => {
    expect(resolve({ layer: false, inner: { depth: 7 }, names: ['x', 'x'] })).toMatchObject({
      layer: false,
      inner: { depth: 7 },
      names: new Set(['x']),
    })
  })

  it('refuses a bound that another option sets, and names the whole path below', () => {
    expect(() => resolve({ least: 4, most: 3 })).toThrow(
      new RangeError('`most` must be a number >= 4 (`least`), got 3'),
    )
    expect(() => resolve({ inner: { depth: 10 } })).toThrow(
      new RangeError('`inner.depth` must be an integer >= 0 and <= 9, got 10'),
    )
    expect(() => resolve({ inner: false as never })).toThrow(
      new TypeError('`inner` must be an object of options, got false'),
    )
  })
})

describe('resolveGiven', () => {
  it('checks what is given, and fills in nothing', () => {
    const call: Checks<{ layer?: object | false; kind?: string }, { layer: unknown; kind: string }> = {
      layer: overrides(checks),
      kind: stringOption,
    }
    const given = (options: object) => resolveGiven('call', call, options)
    expect(given({})).toEqual({})
    expect(given({ kind: undefined, layer: { least: undefined, kind: 'b' } })).toEqual({
      layer: { kind: 'b' },
    })
    expect(given({ layer: false })).toEqual({ layer: false })
    expect(() => given({ layer: { least: 0 } })).toThrow('`layer.least` must be an integer >= 1')
  })
})

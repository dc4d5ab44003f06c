import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isNestedDeeper } from '../../../../src/dead-letter/record/json-depth.ts'

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

describe('isNestedDeeper', () => {
  it('finds the depth that the parsed value has, whatever its strings hold', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 6, stringUnit: fc.constantFrom('[', '}', '"', '\\', 'a') }),
        (value) => {
          const json = JSON.stringify(value)
          const depth = depthOf(value)
          expect(isNestedDeeper(json, depth)).toBe(false)
          if (depth > 0) expect(isNestedDeeper(json, depth - 1)).toBe(true)
        },
      ),
    )
  })

  it('needs no JSON that ends, and no stack', () => {
    expect(isNestedDeeper('['.repeat(1_000_000), 500)).toBe(true)
    expect(isNestedDeeper('{"a":'.repeat(501), 500)).toBe(true)
    expect(isNestedDeeper('{"a":'.repeat(500), 500)).toBe(false)
  })
})

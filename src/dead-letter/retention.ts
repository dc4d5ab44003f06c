import { integerOption, numberOption } from '../options.ts'
import type { RetentionOptions } from './store.ts'

export interface Retention {
  readonly maxRecords: number
  readonly maxBytes: number
  readonly maxAgeMs: number
}

export function checkRetention(options: RetentionOptions, defaults: Retention): Retention {
  const { maxRecords, maxBytes, maxAgeMs } = options
  return {
    maxRecords:
      maxRecords === undefined ? defaults.maxRecords : integerOption('maxRecords', maxRecords, { min: 1 }),
    maxBytes: maxBytes === undefined ? defaults.maxBytes : integerOption('maxBytes', maxBytes, { min: 1024 }),
    maxAgeMs:
      maxAgeMs === undefined
        ? defaults.maxAgeMs
        : maxAgeMs === Infinity
          ? Infinity
          : numberOption('maxAgeMs', maxAgeMs, { min: 1 }),
  }
}

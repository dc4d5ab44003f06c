import { MAX_RECORD_CHARS, MAX_STORED_BODY_BYTES } from '../../../dead-letter/record/bounds.ts'
import type { Script } from '../script.ts'

/** Runs a script on the keys of dead letters. */
export type RunScript = (script: Script, args: readonly (string | Buffer)[]) => Promise<unknown>

/** Entries that one run of a script looks at. */
export const MAX_IDS = 500

/** The most bytes of a payload that a script reads. */
export const MAX_PAYLOAD = String(MAX_RECORD_CHARS * 4 + MAX_STORED_BODY_BYTES)

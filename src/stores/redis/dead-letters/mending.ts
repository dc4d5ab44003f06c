import { isError } from '../../../errors.ts'
import type { RunScript } from './run-script.ts'
import { deadLetterScripts } from './scripts.ts'

/**
 * A key of another type than ours, or a total that is no number: what somebody else has written there stops the whole
 * script, each time.
 */
const DAMAGE = /^WRONGTYPE|is not an integer|not a valid float|increment or decrement would overflow/

/** Runs scripts; one that meets damaged keys is run again after they were made anew from the entries. */
export function mending(run: RunScript): RunScript {
  return async (script, args) => {
    try {
      return await run(script, args)
    } catch (error) {
      if (!isError(error) || !DAMAGE.test(error.message)) throw error
      await run(deadLetterScripts.mend, [])
      return run(script, args)
    }
  }
}

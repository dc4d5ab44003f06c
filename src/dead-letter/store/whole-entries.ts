import { DeadLetterFormatError } from '../record/json.ts'
import type { DeadLetter } from '../record/record.ts'
import type { CorruptDeadLetter, DeadLetterStore } from './store.ts'

/** Entries that are asked for at a time: one round trip for each would take most of the time. */
const READ_AHEAD = 16

/** The entries of these ids, with their bodies and in their order. What was removed meanwhile is left out. */
export async function* wholeEntries(
  store: DeadLetterStore,
  ids: AsyncIterable<string>,
  corrupt: (entry: CorruptDeadLetter) => void,
): AsyncGenerator<DeadLetter> {
  const read = async (id: string): Promise<DeadLetter | undefined> => {
    try {
      return await store.get(id)
    } catch (error) {
      if (!(error instanceof DeadLetterFormatError)) throw error
      corrupt({ id, message: error.message })
      return undefined
    }
  }
  for await (const group of inGroups(ids)) {
    for (const entry of await Promise.all(group.map(read))) if (entry !== undefined) yield entry
  }
}

async function* inGroups(ids: AsyncIterable<string>): AsyncGenerator<readonly string[]> {
  let group: string[] = []
  for await (const id of ids) {
    group.push(id)
    if (group.length < READ_AHEAD) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

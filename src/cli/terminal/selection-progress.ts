import type { SelectionProgress } from '../../operations/entries/selection.ts'
import type { Terminal } from './terminal.ts'

/** Shows how many entries were found so far, and those that cannot be read. */
export function selectionProgress(terminal: Terminal): SelectionProgress {
  return {
    found: (count) => terminal.status(`${count} found`),
    corrupt: ({ id, message }) => terminal.note(`${id} cannot be read: ${message}`),
  }
}

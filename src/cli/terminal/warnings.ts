import type { Terminal } from './terminal.ts'

/** Warnings of the process as lines of ours: they may quote what came from a store. */
export function showWarnings(terminal: Terminal): void {
  process.removeAllListeners('warning')
  process.on('warning', ({ name, message }) => {
    // Node 22 says so of every use of its SQLite
    if (name === 'ExperimentalWarning' && message.includes('SQLite')) return
    terminal.note(`warning: ${message}`)
  })
}

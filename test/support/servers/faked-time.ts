import { chmodSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binarySource } from './binary.ts'

/** libfaketime: a library that stands before the system's clock in the process that it is loaded into. */
const library = binarySource({
  find: () =>
    ['/usr/lib', '/usr/local/lib', ...multiarch()]
      .map((folder) => join(folder, 'faketime/libfaketime.so.1'))
      .find((path) => existsSync(path)),
  debian: 'faketime',
  how:
    'This test steps the clock of a server, and needs libfaketime: `apt-get install faketime`, ' +
    'or https://github.com/wolfcw/libfaketime.',
})

function multiarch(): string[] {
  return existsSync('/usr/lib') ? readdirSync('/usr/lib').map((name) => join('/usr/lib', name)) : []
}

/** A clock that a server is given in the place of the system's; its steady clock stays what it is. */
export interface FakedClock {
  /** What the server's environment needs. */
  readonly env: Readonly<Record<string, string>>
  /** From now on the clock is this far from the true one. */
  set(offsetMs: number): void
  remove(): void
}

export function fakedClock(): FakedClock {
  const folder = mkdtempSync(join(tmpdir(), 'undici-resilience-clock-'))
  // servers run as somebody else
  chmodSync(folder, 0o755)
  const [file, next] = [join(folder, 'offset'), join(folder, 'next')]
  const set = (offsetMs: number): void => {
    // in one step: the server may read it at any moment
    writeFileSync(next, `${offsetMs < 0 ? '-' : '+'}${Math.abs(offsetMs) / 1_000}\n`)
    renameSync(next, file)
  }
  set(0)
  return {
    env: {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    set,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

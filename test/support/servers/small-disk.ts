import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder with little room. */
export interface SmallDisk {
  readonly folder: string
  /** How the room is limited: a file system of its own, or the size of each file that this process writes. */
  readonly kind: 'tmpfs' | 'file-size'
  /** Gives it plenty of room. */
  grow(): void
  remove(): void
}

/** A tmpfs where we may mount one, else a limit on the size of files, which every user may set. */
export function smallDisk(bytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'))
  const run = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0
  if (run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder)) {
    return {
      folder,
      kind: 'tmpfs',
      grow: () => void run('mount', '-o', 'remount,size=1g', folder),
      remove: () => {
        if (!run('umount', folder)) throw new Error(`${folder} is in use`)
        rmSync(folder, { recursive: true })
      },
    }
  }
  const limit = (soft: string): boolean =>
    run('prlimit', '--pid', String(process.pid), `--fsize=${soft}:unlimited`)
  if (!limit(String(bytes))) {
    throw new Error('a small disk needs the right to mount a tmpfs, or prlimit of util-linux')
  }
  return {
    folder,
    kind: 'file-size',
    grow: () => void limit('unlimited'),
    remove: () => {
      limit('unlimited')
      rmSync(folder, { recursive: true })
    },
  }
}

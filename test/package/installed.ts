import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
export const root = join(import.meta.dirname, '..', '..')

/** An application that has installed the tarball and undici, and nothing else. */
export interface Installed {
  readonly folder: string
  readonly tarball: string
  /** Where the package is. */
  readonly own: string
  /** Installs further packages of this repository's. */
  link(...names: readonly string[]): Promise<void>
  dispose(): Promise<void>
}

export async function installed(): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), 'undici-resilience-package-'))
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: root,
    maxBuffer: 1 << 26,
  })
  const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>)
  const tarball = join(folder, packed!.filename)
  const own = join(folder, 'node_modules', 'undici-resilience')
  await mkdir(own, { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', own])
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  await cp(join(root, 'node_modules', 'undici'), join(folder, 'node_modules', 'undici'), { recursive: true })
  return {
    folder,
    tarball,
    own,
    async link(...names) {
      for (const name of names) {
        const path = join(folder, 'node_modules', name)
        await mkdir(dirname(path), { recursive: true })
        await symlink(join(root, 'node_modules', name), path)
      }
    },
    dispose: () => rm(folder, { recursive: true }),
  }
}

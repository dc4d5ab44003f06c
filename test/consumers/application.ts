import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '..', '..')
export const installed = join(import.meta.dirname, 'node_modules')
/** The Nodes are those that the checks of compatibility run on. */
export const nodesInstalled = join(root, 'test', 'compat', 'node_modules')

/** An application that has installed the tarball, and beside it what is in test/consumers/node_modules. */
interface Application {
  readonly folder: string
  dispose(): Promise<void>
}

/** The package as `npm pack` makes it, and with it a folder to be installed from. */
export async function packed(): Promise<{ readonly tarball: string; dispose(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'undici-resilience-pack-'))
  const { stdout, stderr, status } = spawnSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 },
  )
  if (status !== 0) throw new Error(stderr)
  const [made] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>)
  return { tarball: join(folder, made!.filename), dispose: () => rm(folder, { recursive: true }) }
}

/** @param undici the folder of test/consumers/node_modules that is installed as `undici` */
export async function application(tarball: string, undici = 'undici8'): Promise<Application> {
  const folder = await mkdtemp(join(tmpdir(), 'undici-resilience-consumer-'))
  const modules = join(folder, 'node_modules')
  const own = join(modules, 'undici-resilience')
  await mkdir(own, { recursive: true })
  spawnSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', own])
  // copied: a package is found from where it really lies
  await cp(join(installed, undici), join(modules, 'undici'), { recursive: true })
  for (const name of await readdir(installed)) {
    if (name !== 'undici' && name !== 'undici-resilience') {
      await symlink(join(installed, name), join(modules, name))
    }
  }
  await cp(join(import.meta.dirname, 'files'), folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{}')
  return { folder, dispose: () => rm(folder, { recursive: true }) }
}

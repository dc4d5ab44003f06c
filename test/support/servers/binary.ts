import { spawnSync } from 'node:child_process'

/** The path of a command, or `undefined` when it is not on PATH. */
export function onPath(command: string): string | undefined {
  const { status, stdout } = spawnSync('sh', ['-c', `command -v ${command}`], { encoding: 'utf8' })
  return status === 0 && stdout.trim() !== '' ? stdout.trim() : undefined
}

interface BinarySource {
  /** Where it is, if it is there. */
  find: () => string | undefined
  /** Its package in Debian. */
  debian: string
  /** Says what the tests need and how to get it. */
  how: string
}

/** Where a server's program is: found, else installed by apt where we are root, else an error that says how. */
export function binarySource({ find, debian, how }: BinarySource): () => string {
  let found: string | undefined
  return () => {
    found ??= find() ?? install(debian, find, how)
    return found
  }
}

function install(name: string, find: () => string | undefined, how: string): string {
  if (process.getuid?.() !== 0 || onPath('apt-get') === undefined) throw new Error(how)
  // RUNLEVEL=1 keeps the package from starting a server of its own
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const lock = ['-o', 'DPkg::Lock::Timeout=300']
  spawnSync('apt-get', [...lock, 'update'], { env, stdio: 'ignore' })
  const args = [...lock, 'install', '-y', '--no-install-recommends', name]
  const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' })
  const path = find()
  if (path === undefined) {
    throw new Error(`${how}\napt-get install ended with ${status}: ${stderr.slice(-500)}`)
  }
  return path
}

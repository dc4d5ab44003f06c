import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

// Runs before a release: `repository`, `homepage` and `bugs` of package.json say where the release is made from. npm
// makes the links of the README from them, and compares them with where the provenance says that it was built.

interface ReleaseFields {
  readonly repository: { readonly type: 'git'; readonly url: string }
  readonly homepage: string
  readonly bugs: { readonly url: string }
}

/**
 * @param remote the address of the repository, in any of the ways in which git writes it; credentials in it are left out
 * @throws TypeError when it is none
 */
export function releaseFields(remote: string): ReleaseFields {
  const [, sshHost, sshPath] = /^(?:[\w.-]+@)([\w.-]+):(?!\/\/)(.+)$/.exec(remote.trim()) ?? []
  const address = sshHost === undefined ? remote.trim() : `ssh://${sshHost}/${sshPath}`
  if (!URL.canParse(address)) throw new TypeError('the remote must be the address of a repository')
  const { protocol, hostname, host, pathname } = new URL(address)
  if (!['https:', 'http:', 'ssh:', 'git:'].includes(protocol) || !/^\/[^/]+\/.+/.test(pathname)) {
    throw new TypeError(`the remote must be the address of a repository, got one of ${protocol}//${host}`)
  }
  const name = pathname.replace(/\.git$/, '').replace(/\/$/, '')
  const page = `https://${protocol === 'https:' ? host : hostname}${name}`
  return {
    repository: { type: 'git', url: `git+${page}.git` },
    homepage: `${page}#readme`,
    bugs: { url: `${page}/issues` },
  }
}

/** Where a workflow runs, or what git calls origin. */
function remoteHere(): string {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env
  if (server !== undefined && repository !== undefined) return `${server}/${repository}`
  return execFileSync('git', ['remote', 'get-url', 'origin'], { encoding: 'utf8' })
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const path = join(import.meta.dirname, 'package.json')
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  writeFileSync(path, `${JSON.stringify({ ...manifest, ...releaseFields(remoteHere()) }, undefined, 2)}\n`)
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'

/** A certificate for localhost, signed by itself. */
export async function selfSigned(): Promise<{ key: string; cert: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }])
  return { key, cert }
}

/** The same in files, as servers want it. */
export async function certificateFiles(): Promise<{
  cert: string
  key: string
  remove: () => Promise<void>
}> {
  const folder = await mkdtemp(join(tmpdir(), 'certificate-'))
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  const { cert, key } = await selfSigned()
  await writeFile(paths.cert, cert)
  await writeFile(paths.key, key)
  return { ...paths, remove: () => rm(folder, { recursive: true }) }
}

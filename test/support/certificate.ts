import { generate } from 'selfsigned'

/** A certificate for localhost, signed by itself. */
export async function selfSigned(): Promise<{ key: string; cert: string }> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }])
  return { key, cert }
}

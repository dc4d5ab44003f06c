import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { credentialsOf } from '../../../../src/cli/arguments/credential-options.ts'
import { initialState } from '../../../../src/dead-letter/store/lifecycle.ts'
import { makeRecord } from '../../../../src/testing/contracts/records.ts'

const ORIGIN = 'https://api.example.com'
const environment = {
  AUTH: 'Bearer hunter2',
  BAD: 'hunter2\r\nx: y',
  EMPTY: '',
  NO_TOKEN: 'Bearer undefined',
}

it('takes the value of a header from the environment', async () => {
  const { credentials } = await credentialsOf(
    { credentialsEnv: [`${ORIGIN}=Authorization:AUTH`] },
    [ORIGIN],
    environment,
  )
  const record = makeRecord({ request: { url: `${ORIGIN}/x` } })
  expect(await credentials({ ...record, ...initialState(record) })).toMatchObject({
    headers: { authorization: 'Bearer hunter2' },
  })
})

it.each([
  [ORIGIN, /must be <origin>=<header>:<VARIABLE>/],
  [`${ORIGIN}/path=a:AUTH`, /must be an origin/],
  [`${ORIGIN}=a:NONE`, /has no NONE/],
  // the credential itself, and no name of a variable
  [`${ORIGIN}=a:Bearer hunter2`, /must be <origin>=<header>:<VARIABLE>/],
  [`${ORIGIN}=a:EMPTY`, /has no EMPTY/],
  [`${ORIGIN}=authorization:NO_TOKEN`, /the header "authorization" with no credential in it/],
  [`${ORIGIN}=a:BAD`, /control character/],
  [`${ORIGIN}=host:AUTH`, /made by the client/],
  ['https://b.example=authorization:AUTH', /nothing is allowed to go/],
])('says what is wrong with %s, never the value', async (text, message) => {
  const read = credentialsOf({ credentialsEnv: [text] }, [ORIGIN], environment)
  await expect(read).rejects.toThrow(message)
  await expect(read).rejects.not.toThrow(/hunter2/)
})

it('refuses an export of the module that is not read: a `decide` with a typo would send everything', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'credentials-'))
  try {
    const read = async (name: string, code: string): Promise<unknown> => {
      await writeFile(join(folder, name), code)
      return credentialsOf({ credentials: join(folder, name) }, [ORIGIN], environment)
    }
    const typo = "export default () => ({}); export const decied = () => 'hold'"
    await expect(read('typo.mjs', typo)).rejects.toThrow(
      'typo.mjs exports `decied`, which is not read: beside its default it may export seal, decide, classify, inspectBody',
    )
    const good = "export default () => ({}); export const decide = () => 'hold'"
    expect(await read('good.mjs', good)).toMatchObject({ decide: expect.any(Function) as unknown })
    expect(await read('common.cjs', 'module.exports = () => ({})')).toMatchObject({ decide: undefined })
    const mixed =
      "exports.__esModule = true; module.exports = Object.assign(() => ({}), { decide: () => 'hold' })"
    expect(await read('mixed.cjs', mixed)).toBeDefined()
  } finally {
    await rm(folder, { recursive: true })
  }
})

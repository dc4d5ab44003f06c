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

import { stringOption } from '../../options.ts'
import { basicAuthorization, credentialOption, type CurrentToken } from '../kit/client/credential.ts'

/** What of the client's options says whose account it is. */
export interface Credentials {
  readonly apiKey: string | undefined
  readonly accessToken: CurrentToken | undefined
  readonly dataCenter: string | undefined
}

interface Account {
  dataCenter: string
  credentials: () => Promise<Record<string, string>>
}

/** @throws TypeError, RangeError naming the option: whose account it is must be certain before a credential is sent */
export function account({ apiKey, accessToken, dataCenter }: Credentials): Account {
  if (accessToken !== undefined) {
    if (apiKey !== undefined) throw new TypeError('`apiKey` and `accessToken` exclude each other, got both')
    return {
      dataCenter: dataCenterOption('dataCenter', dataCenter),
      credentials: async () => ({ authorization: `Bearer ${await accessToken()}` }),
    }
  }
  const key = credentialOption('apiKey', apiKey)
  const suffix = /^[^-]+-([^-]+)$/.exec(key)?.[1]
  if (suffix === undefined) {
    throw new RangeError('`apiKey` must end in its data centre, as in "...-us6"; its value is not shown')
  }
  const own = dataCenterOption('apiKey suffix', suffix)
  if (dataCenter !== undefined && dataCenter !== own) {
    throw new RangeError(`\`dataCenter\` must be the key's own, "${own}", got ${JSON.stringify(dataCenter)}`)
  }
  const headers = { authorization: basicAuthorization('anystring', key) }
  return { dataCenter: own, credentials: () => Promise.resolve(headers) }
}

/** Also what keeps a forged suffix (`us6.evil.example/`) from choosing the host that the key is sent to. */
export function dataCenterOption(name: string, value: unknown): string {
  const text = stringOption(name, value)
  if (!/^[a-z]{2}\d{1,3}$/.test(text)) {
    throw new RangeError(
      `\`${name}\` must be a data centre such as "us6", got ${JSON.stringify(text.slice(0, 20))}`,
    )
  }
  return text
}

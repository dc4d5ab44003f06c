import type { ControlAction } from '../../circuit/machine/machine.ts'
import {
  type CircuitDirectory,
  circuitsBeneath,
  resetBeneath,
  type StoredCircuit,
  withOverridesAbove,
} from '../../circuit/shared/directory.ts'
import { messageWithoutUserinfo } from '../../http/secrets/redacted-url.ts'
import { originsMeantBy, scopeOf, spelledKey } from '../../http/url/scope.ts'
import { InputError, OperationError } from '../operation-error.ts'
import type { OpenedStore } from '../stores/open-store.ts'
import { circuitDirectory } from './directory.ts'

interface OverruledCircuit {
  /** As calls find it: what was done to its origin holds too. */
  readonly circuit: StoredCircuit
  /** The circuits of credentials at the origin: for those it holds too. */
  readonly beneath: readonly StoredCircuit[]
  /** A process had used it or one beneath it before, and the store remembered that. */
  readonly known: boolean
}

/**
 * Overrules a circuit in all processes, and that of an origin with those of all credentials there.
 * @throws {InputError} for a url or a host of which calls use the origin: it would stop none of them
 * @throws {OperationError} when the store does not answer, or refuses
 */
export async function overruleCircuit(
  store: OpenedStore,
  text: string,
  action: ControlAction,
): Promise<OverruledCircuit> {
  const directory = circuitDirectory(store)
  const named = await orElse('nothing was changed', async () => {
    // an operator may spell an origin in another way than calls do
    const asGiven = await directory.find(text)
    const key = asGiven === undefined ? spelledKey(text) : text
    return { key, before: asGiven ?? (await directory.find(key)) }
  })
  const { key, before } = named
  if (before === undefined) await checkUrl(directory, key)
  const overruled = await orElse('nothing was changed, as far as is known', () =>
    directory.overrule(key, action),
  )
  const meaning =
    action === 'reset'
      ? `${key} is reset, but what is beneath it may not be`
      : `${key} is overruled with all that is beneath it, which could not be listed`
  return orElse(meaning, async () => {
    if (scopeOf(key) !== key) {
      return { ...(await seenBelow(directory, overruled)), known: before !== undefined }
    }
    if (action === 'reset') await resetBeneath(directory, key)
    const beneath = circuitsBeneath(withOverridesAbove(await directory.list()), key)
    return { circuit: overruled, beneath, known: before !== undefined || beneath.length > 0 }
  })
}

async function checkUrl(directory: CircuitDirectory, key: string): Promise<void> {
  const meant = originsMeantBy(key)
  if (meant.length === 0) return
  const circuits = await orElse('nothing was changed', () => directory.list())
  const origin = meant.find((one) => circuits.some((circuit) => scopeOf(circuit.key) === one))
  if (origin !== undefined) {
    throw new InputError('key', `must be that of a circuit, got ${key}; did you mean ${origin}?`)
  }
}

async function seenBelow(
  directory: CircuitDirectory,
  circuit: StoredCircuit,
): Promise<Pick<OverruledCircuit, 'circuit' | 'beneath'>> {
  const above = await directory.find(scopeOf(circuit.key))
  const [seen = circuit] = withOverridesAbove(above === undefined ? [circuit] : [circuit, above])
  return { circuit: seen, beneath: [] }
}

async function orElse<T>(meaning: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task()
  } catch (error) {
    const reason = messageWithoutUserinfo((error as Error).message)
    throw new OperationError(`${meaning}: ${reason}`, 'store-unavailable', error)
  }
}

import type {
  ProviderAgent,
  ProviderClient,
  ProviderOptions,
  ProviderPreset,
} from '../../../src/providers/hubspot.ts'
import type { FakeAnswer, FakeProvider } from './fakes/fake-provider.ts'

/** One provider as the shared suite drives it. */
export interface CaseOf<Fake extends FakeProvider, Client extends ProviderClient> {
  /** The preset's `integration`. */
  integration: string
  title: string
  preset: ProviderPreset
  /** The credential in each form in which it travels: no record, log or error may hold one. */
  secrets: readonly string[]
  fake(): Fake
  client(options: ProviderOptions): Client
  /** A client whose credential the fake does not know. */
  stranger(options: ProviderOptions): Client
  /** A credential that is not known is told with status 200, which is no error of a client. */
  answersWith200?: boolean
  agent(options: ProviderOptions): ProviderAgent
  /** The limit to test; its window is shorter than the test's backoff where the provider tells no wait. */
  limit: { max: number; windowMs: number }
  /** Something that may be repeated; `tag` makes it one of its own. */
  read(client: Client, tag: string): Promise<unknown>
  /** Something that must not be done twice; the fake counts it by `tag`. */
  create(client: Client, tag: string): Promise<unknown>
  /** What the provider, or the network before it, answers in an outage. */
  outage: FakeAnswer
  /** A call that the provider refuses for good. */
  refused(client: Client): Promise<unknown>
  /** What the error of `refused` says. */
  refusal: { statusCode: number; providerCode?: string; message: RegExp; requestId?: RegExp }
  /** A quota that is used up for hours, where the provider has one. */
  quota?(fake: Fake): FakeAnswer
}

export type ProviderCase = CaseOf<FakeProvider, ProviderClient>

/** Checks a case with its own types, and forgets them for the list. */
export function providerCase<Fake extends FakeProvider, Client extends ProviderClient>(
  one: CaseOf<Fake, Client>,
): ProviderCase {
  return one as unknown as ProviderCase
}

import {
  Inject,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common'
import {
  type Logger as ResilienceLogger,
  type ResilienceStore,
  ResilientHttpClient,
  startReplayer,
} from 'undici-resilience'
import { sqliteStore } from 'undici-resilience/sqlite'

/** Where the provider is, and where what finally failed is kept: tests put others in their place. */
export const CONTACTS_URL = Symbol('CONTACTS_URL')
export const RESILIENCE_STORE = Symbol('RESILIENCE_STORE')

/** Nest's Logger says `log` where others say `info`, and takes the message first. */
function loggerOf(context: string): ResilienceLogger {
  const nest = new Logger(context)
  const line = (fields: object, message: string) => `${message} ${JSON.stringify(fields)}`
  return {
    info: (fields, message) => nest.log(line(fields, message)),
    warn: (fields, message) => nest.warn(line(fields, message)),
    error: (fields, message) => nest.error(line(fields, message)),
  }
}

const logger = loggerOf('contacts')

@Module({
  providers: [
    { provide: CONTACTS_URL, useValue: 'https://api.example.com' },
    { provide: RESILIENCE_STORE, useFactory: () => sqliteStore('resilience.db') },
    {
      provide: ResilientHttpClient,
      inject: [CONTACTS_URL, RESILIENCE_STORE],
      useFactory: (baseUrl: string, store: ResilienceStore) =>
        new ResilientHttpClient({
          integration: 'contacts',
          baseUrl,
          store,
          logger,
          retry: { initialBackoffMs: 10 },
        }),
    },
  ],
  exports: [ResilientHttpClient],
})
export class ResilienceModule implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #client: ResilientHttpClient
  readonly #store: ResilienceStore
  readonly #url: string
  #replayer: ReturnType<typeof startReplayer> | undefined

  constructor(
    @Inject(ResilientHttpClient) client: ResilientHttpClient,
    @Inject(RESILIENCE_STORE) store: ResilienceStore,
    @Inject(CONTACTS_URL) url: string,
  ) {
    this.#client = client
    this.#store = store
    this.#url = url
  }

  /** Sends again what failed. Give the `credentials` that the calls had: they are in no dead letter. */
  onApplicationBootstrap(): void {
    const { origin } = new URL(this.#url)
    this.#replayer = startReplayer(this.#store.deadLetters, { allowedOrigins: [origin], logger })
  }

  /** After the server was closed, so that no request is in hand: call `app.enableShutdownHooks()`. */
  async onApplicationShutdown(): Promise<void> {
    await this.#replayer?.close()
    await this.#client.close({ timeoutMs: 5_000 })
    await this.#store.close()
  }
}

import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common'
import { ResilientHttpClient } from 'undici-resilience'

/** Where the provider is: tests put another address in its place. */
export const CONTACTS_URL = Symbol('CONTACTS_URL')

@Module({
  providers: [
    { provide: CONTACTS_URL, useValue: 'https://api.example.com' },
    {
      provide: ResilientHttpClient,
      inject: [CONTACTS_URL],
      useFactory: (baseUrl: string) =>
        new ResilientHttpClient({ integration: 'contacts', baseUrl, retry: { initialBackoffMs: 10 } }),
    },
  ],
  exports: [ResilientHttpClient],
})
export class ResilienceModule implements OnApplicationShutdown {
  readonly #client: ResilientHttpClient

  constructor(@Inject(ResilientHttpClient) client: ResilientHttpClient) {
    this.#client = client
  }

  /** After the server was closed, so that no request is in hand: call `app.enableShutdownHooks()`. */
  onApplicationShutdown(): Promise<void> {
    return this.#client.close({ timeoutMs: 5_000 })
  }
}

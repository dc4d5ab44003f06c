import { Controller, Get, HttpException, Inject, Module, Param } from '@nestjs/common'
import { isIntegrationError, ResilientHttpClient } from 'undici-resilience'
import { ResilienceModule } from './resilience.module'

@Controller('contacts')
export class ContactsController {
  readonly #contacts: ResilientHttpClient

  constructor(@Inject(ResilientHttpClient) contacts: ResilientHttpClient) {
    this.#contacts = contacts
  }

  @Get(':id')
  async find(@Param('id') id: string): Promise<unknown> {
    try {
      const answer = await this.#contacts.request(`/contacts/${encodeURIComponent(id)}`)
      return await answer.json()
    } catch (error) {
      if (!isIntegrationError(error)) throw error
      throw new HttpException({ error: error.code, deadLetter: error.deadLetterId }, 502)
    }
  }
}

@Module({ imports: [ResilienceModule], controllers: [ContactsController] })
export class ContactsModule {}

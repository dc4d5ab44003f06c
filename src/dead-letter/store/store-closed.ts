/** A call of a dead-letter store after its `close()`. */
export class StoreClosedError extends Error {
  override readonly name = 'StoreClosedError'

  constructor() {
    super('the dead-letter store is closed')
  }
}

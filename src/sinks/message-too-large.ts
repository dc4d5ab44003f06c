/** A dead letter whose message would be larger than the queue takes. It is of one record: others go on. */
export class MessageTooLargeError extends Error {
  override readonly name = 'MessageTooLargeError'
  readonly code = 'ERR_MESSAGE_TOO_LARGE'
  /** The record. */
  readonly id: string

  constructor(id: string, bytes: number, maxBytes: number) {
    super(`the message of dead letter ${id} has ${bytes} bytes, more than \`maxMessageBytes\` ${maxBytes}`)
    this.id = id
  }
}

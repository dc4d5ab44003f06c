/**
 * Why an operation was not done. `invalid`: it was asked for wrongly. `refused`: the store has no room, or the entry is
 * in use. `store-unavailable`: the store cannot be reached or opened.
 */
type OperationErrorKind = 'invalid' | 'refused' | 'store-unavailable'

/** Ends an operation with a message for the person who asked for it: never with a stack, a password or a secret. */
export class OperationError extends Error {
  override readonly name: string = 'OperationError'
  readonly kind: OperationErrorKind

  constructor(message: string, kind: OperationErrorKind = 'invalid', cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
  }
}

/** One input of an operation is wrong. Who asked for the operation may know the input by another name. */
export class InputError extends OperationError {
  override readonly name = 'InputError'
  readonly input: string
  /** What is wrong, to be read after the name of the input. */
  readonly problem: string

  constructor(input: string, problem: string) {
    super(`\`${input}\` ${problem}`)
    this.input = input
    this.problem = problem
  }
}

import type { InputError } from '../operations/operation-error.ts'

/** Inputs of operations whose options of the command line have other names. */
const flags: Readonly<Record<string, string>> = {
  allowedOrigins: '--allow-origin',
  edit: '--file',
  key: '<key>',
}

/** The message of a wrong input, by the name under which it was given on the command line. */
export function inputMessage({ input, problem }: InputError): string {
  const kebab = input.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  return `${flags[input] ?? `--${kebab}`} ${problem}`
}

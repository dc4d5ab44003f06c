import type { Check } from './checks.ts'
import { type Bounds, integerOption, MAX_TIMER_MS, numberOption } from './options.ts'

// Checks of options that are numbers, whose bounds may come from other options of their table.

/** A bound that another option of the same table gives, and `otherwise` where that one is left out. */
interface OptionBound<Policy> {
  readonly option: keyof Policy & string
  readonly otherwise: number
  readonly plus: number
}

interface NumberBounds<Policy> {
  readonly min?: number | OptionBound<Policy>
  readonly max?: number | OptionBound<Policy>
}

/** @param how `plus` is added to what the option is */
export function ofOption<Name extends string>(
  option: Name,
  how?: { readonly plus: number },
): OptionBound<{ readonly [Other in Name]: number }>
export function ofOption<Name extends string>(
  option: Name,
  how: { readonly otherwise: number },
): OptionBound<{ readonly [Other in Name]: number | undefined }>
export function ofOption<Name extends string>(
  option: Name,
  { otherwise = 0, plus = 0 }: { readonly otherwise?: number; readonly plus?: number } = {},
): OptionBound<Readonly<Record<Name, unknown>>> {
  return { option, otherwise, plus }
}

const numeric =
  (check: (name: string, value: unknown, bounds: Bounds) => number) =>
  <Policy>({ min = 0, max = Infinity }: NumberBounds<Policy> = {}): Check<number, Policy> =>
  (name, value, policy) => {
    const [least, minOf] = boundOf(min, name, policy)
    const [most, maxOf] = boundOf(max, name, policy)
    return check(name, value, { min: least, max: most, minOf, maxOf })
  }

function boundOf<Policy>(
  bound: number | OptionBound<Policy>,
  name: string,
  policy: Policy,
): [bound: number, said: string | undefined] {
  if (typeof bound === 'number') return [bound, undefined]
  const { option, otherwise, plus } = bound
  const given = policy[option] as number | undefined
  if (given === undefined) return [otherwise, undefined]
  const path = `\`${name.slice(0, name.lastIndexOf('.') + 1)}${option}\``
  return [given + plus, plus === 0 ? path : `${path} ${plus < 0 ? '-' : '+'} ${Math.abs(plus)}`]
}

/** An integer, from `min` (default 0). */
export const integer = numeric(integerOption)

/** A finite number, from `min` (default 0). */
export const number = numeric(numberOption)

/** Milliseconds that a timer can hold, from `min` (default 0). */
export const duration = numeric((name, value, { min, minOf }) =>
  integerOption(name, value, { min, max: MAX_TIMER_MS, minOf }),
)

/** The same, or `Infinity`, which stands for no bound. */
export function orInfinity<Policy>(check: Check<number, Policy>): Check<number, Policy> {
  return (name, value, policy) => (value === Infinity ? Infinity : check(name, value, policy))
}

import { limitInWords, wordsAnywhere, wordsInPlace } from './words-of-others.ts'

/** The names that options have at each level: of a leaf `undefined`, of an object of options what is in it. */
export interface OptionNames {
  readonly [name: string]: OptionNames | undefined
}

/** Where options were given: to which function, and at which path below its own. */
interface OptionPlace {
  readonly factory: string
  readonly path: readonly string[]
  /** Every name that the function knows, at every level. */
  readonly all: OptionNames
}

/**
 * What to say to an option that does not exist: the place where it belongs, or the nearest name, or all names. A typo
 * would be a silent default. Of its value only a number is repeated.
 */
export function unknownOption({ factory, path, all }: OptionPlace, name: string, value: unknown): TypeError {
  const known = path.reduce<OptionNames>((names, part) => names[part] ?? {}, all)
  const ours = wordsAnywhere(name)
  const inPlace = wordsInPlace(name)
  const remark = (meant: string): string => remarkOn(meant, name, value)
  const here = [...ours, ...inPlace].find((one) => Object.hasOwn(known, one))
  if (here !== undefined) return notKnown(factory, path, name, here, remark(here))
  const above = [name, ...ours].find((one) => Object.hasOwn(all, one))
  if (above !== undefined) {
    return new TypeError(
      `${quoted([...path, name])} is not an option here: give \`${above}\` to ${factory}()`,
    )
  }
  const same = placesOf(name, all, [])
  // in a room that somebody has chosen, a word of many meanings is not taken for one of another room
  const translated = [...ours, ...(path.length === 0 ? inPlace : [])]
    .map((one) => placesOf(one, all, []))
    .find((places) => places.length > 0)
  if (same.length > 0) {
    const near = same.filter((place) => place[0] === path[0])
    return notHere([...path, name], near.length > 0 ? near : [...(translated ?? []), ...same], remark)
  }
  if (translated !== undefined) return notHere([...path, name], translated, remark)
  const near = nameOfSameWords(name, Object.keys(known)) ?? nearestName(name, Object.keys(known))
  if (near !== undefined) return notKnown(factory, path, name, near)
  return new TypeError(
    `${subject(factory, path)} has no option \`${name}\`; it knows ${Object.keys(known).join(', ')}`,
  )
}

/** What is to be known of the option that was called by another word, `given`. */
function remarkOn(meant: string, given: string, value: unknown): string {
  if (meant !== given && meant === 'limits') {
    const limit = limitInWords(given, value)
    return limit === undefined ? ', a list of { limit, intervalMs }' : `, here \`limits: [${limit}]\``
  }
  return meant !== given && Object.hasOwn(remarks, meant) ? remarks[meant]! : ''
}

const remarks: Readonly<Record<string, string>> = {
  maxAttempts: ', the first included',
  attemptTimeoutMs: ', of each attempt, or `totalTimeoutMs`, of the whole call',
  failureRate: ', from 0 to 1',
}

function notKnown(
  factory: string,
  path: readonly string[],
  name: string,
  near: string,
  remark = '',
): TypeError {
  return new TypeError(
    `${subject(factory, path)} has no option \`${name}\`; did you mean ${quoted([...path, near])}${remark}?`,
  )
}

/** What to say to `given` where what may be meant stands elsewhere. */
function notHere(
  given: readonly string[],
  places: readonly (readonly string[])[],
  remark: (meant: string) => string,
): TypeError {
  const meant = places.map((place) => ({ place: quoted(place), remark: remark(place.at(-1)!) }))
  const text = meant
    .map((one, at) => `${one.place}${one.remark}${one.remark !== '' && at < meant.length - 1 ? ',' : ''}`)
    .join(' or ')
  return new TypeError(`${quoted(given)} is not an option here: did you mean ${text}?`)
}

function subject(factory: string, path: readonly string[]): string {
  return quoted(path.length === 0 ? [factory] : path)
}

function quoted(path: readonly string[]): string {
  return `\`${path.join('.')}\``
}

function placesOf(name: string, names: OptionNames, path: readonly string[]): (readonly string[])[] {
  return Object.entries(names).flatMap(([one, inner]) => {
    if (one === name) return [[...path, one]]
    return inner === undefined ? [] : placesOf(name, inner, [...path, one])
  })
}

/** The one name that is the given one with words before or after it, or the other way round: `threshold`. */
function nameOfSameWords(given: string, known: readonly string[]): string | undefined {
  const words = ` ${wordsOf(given)} `
  const same = known.filter((name) => {
    const others = ` ${wordsOf(name)} `
    return others.includes(words) || words.includes(others)
  })
  return same.length === 1 ? same[0] : undefined
}

/** Without a unit, which is what is forgotten. */
function wordsOf(name: string): string {
  return name
    .replace(/(?<=.)Ms$/, '')
    .replace(/[A-Z]+/g, ' $&')
    .toLowerCase()
    .trim()
}

/** The name that was surely meant: the same but for case, or with few letters changed, or one that goes on from it. */
function nearestName(given: string, known: readonly string[]): string | undefined {
  const text = plain(given)
  let nearest: string | undefined
  // a short word of another meaning is as near as a typo: `headers` is no `leaseMs`
  let least = (text.length < 8 ? Math.floor : Math.ceil)(text.length * 0.4) + 1
  for (const name of known) {
    const other = plain(name)
    const begins = text.length > 3 && (other.startsWith(text) || text.startsWith(other))
    const distance = begins ? 1 : editDistance(text, other)
    if (distance < least) {
      least = distance
      nearest = name
    }
  }
  return nearest
}

function plain(name: string): string {
  return name.replace(/[-_ ]/g, '').toLowerCase()
}

/** Letters to insert, remove or replace (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

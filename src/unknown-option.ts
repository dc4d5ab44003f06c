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

/** What other packages, and we once, call an option. */
const otherWords: Readonly<Record<string, string>> = { name: 'integration' }

/**
 * What to say to an option that does not exist: the place where it belongs, or the nearest name, or all names. A typo
 * would be a silent default.
 */
export function unknownOption({ factory, path, all }: OptionPlace, name: string): TypeError {
  const known = path.reduce<OptionNames>((names, part) => names[part] ?? {}, all)
  const meant = Object.hasOwn(otherWords, name) ? otherWords[name]! : name
  if (Object.hasOwn(known, meant)) return notKnown(factory, path, name, meant)
  if (Object.hasOwn(all, meant)) {
    return new TypeError(
      `${quoted([...path, name])} is not an option here: give \`${meant}\` to ${factory}()`,
    )
  }
  const places = placesOf(meant, all, []).map(quoted)
  if (places.length > 0) {
    return new TypeError(
      `${quoted([...path, name])} is not an option here: did you mean ${places.join(' or ')}?`,
    )
  }
  const near = nearestName(name, Object.keys(known))
  if (near !== undefined) return notKnown(factory, path, name, near)
  return new TypeError(
    `${subject(factory, path)} has no option \`${name}\`; it knows ${Object.keys(known).join(', ')}`,
  )
}

function notKnown(factory: string, path: readonly string[], name: string, near: string): TypeError {
  return new TypeError(
    `${subject(factory, path)} has no option \`${name}\`; did you mean ${quoted([...path, near])}?`,
  )
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

/** The name that was surely meant: the same but for case, or with few letters changed, or one that goes on from it. */
function nearestName(given: string, known: readonly string[]): string | undefined {
  const text = plain(given)
  let nearest: string | undefined
  let least = Math.ceil(text.length * 0.4) + 1
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

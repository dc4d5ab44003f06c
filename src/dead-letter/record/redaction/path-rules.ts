import { REDACTED } from '../../../http/secrets/redacted-url.ts'

/** What of a path is secret: `/hooks/:token`, or an expression, of which the groups, or else the whole match. */
export type PathPattern = string | RegExp

/** The path with what the patterns say replaced. */
export function byPatterns(patterns: readonly PathPattern[]): (path: string) => string {
  const replacers = patterns.map((pattern) =>
    typeof pattern === 'string' ? byTemplate(pattern.split('/')) : byExpression(pattern),
  )
  return (path) => replacers.reduce((shown, replace) => replace(shown), path)
}

/** Segment by segment from the start; more may follow. A dot of a name (`/hooks/:token.json`) is no border. */
function byTemplate(template: readonly string[]): (path: string) => string {
  return (path) => {
    const segments = path.split('/')
    if (segments.length < template.length) return path
    const fits = template.every((part, i) => part === '*' || part.startsWith(':') || part === segments[i])
    if (!fits) return path
    return segments
      .map((segment, i) => (template[i]?.startsWith(':') === true ? REDACTED : segment))
      .join('/')
  }
}

function byExpression(pattern: RegExp): (path: string) => string {
  const flags = new Set([...pattern.flags, 'g', 'd'])
  flags.delete('y')
  const all = new RegExp(pattern.source, [...flags].join(''))
  return (path) => {
    let shown = ''
    let taken = 0
    for (const match of path.matchAll(all)) {
      const groups = match.indices!.slice(1).filter((span) => span !== undefined)
      for (const [start, end] of groups.length === 0 ? [match.indices![0]!] : groups) {
        if (start < taken || end === start) continue
        shown += path.slice(taken, start) + REDACTED
        taken = end
      }
    }
    return shown + path.slice(taken)
  }
}

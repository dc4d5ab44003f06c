import type { Dispatcher } from 'undici'

/** The url of a request from its dispatch options. */
export function requestUrl(options: Dispatcher.DispatchOptions): string {
  const { origin, path, query } = options
  const base =
    path.startsWith('http://') || path.startsWith('https://') ? '' : String(origin ?? '').replace(/\/$/, '')
  if (query === undefined || query === null) return base + path
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query as Record<string, unknown>)) {
    for (const item of Array.isArray(value) ? (value as unknown[]) : [value]) {
      search.append(name, String(item))
    }
  }
  return `${base}${path}${path.includes('?') ? '&' : '?'}${search.toString()}`
}

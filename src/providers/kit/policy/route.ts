import type { CallRequest } from '../../../call/call-request.ts'

/** Requests of a provider that are alike. */
export interface Route {
  readonly method: string
  /** Matches the path without its query. */
  readonly path: RegExp
}

/** Whether a request is one of a route's. */
export function isOf({ method, path }: Route, request: Pick<CallRequest, 'method' | 'path'>): boolean {
  return request.method === method && path.test(pathOf(request))
}

/** The path without its query. */
export function pathOf({ path }: Pick<CallRequest, 'path'>): string {
  return path.split('?', 1)[0] ?? ''
}

/** `isIdempotent` for the POST (and other) routes that a provider's page lists as safe to send twice. */
export function retryableRoutes(routes: readonly Route[]): (request: CallRequest) => boolean {
  return (request) => routes.some((route) => isOf(route, request))
}

/** The cost of a request under a limit that counts one route alone. */
export function countsOnly(route: Route): (request: CallRequest) => number {
  return (request) => (isOf(route, request) ? 1 : 0)
}

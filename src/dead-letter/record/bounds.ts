/** How much a record may hold: who makes one stays within these bounds, and who reads one refuses what is beyond them. */

/** The longest record without its bodies, as JSON, in characters. */
export const MAX_RECORD_CHARS = 1024 * 1024

/** The longest body that is read back, in bytes. */
export const MAX_STORED_BODY_BYTES = 64 * 1024 * 1024

/** The longest url, in characters. */
export const MAX_URL_CHARS = 65_536

/** The longest value of a header, in characters. */
export const MAX_HEADER_CHARS = 65_536

/** The most headers, values of one header, labels, and names in a list. */
export const MAX_ITEMS = 1000

/** The longest name in a list of names, in characters. */
export const MAX_NAME_CHARS = 1024

export const MAX_METHOD_CHARS = 64

/** The longest code, and the longest name of an error. */
export const MAX_CODE_CHARS = 256

export const MAX_MESSAGE_CHARS = 8192

/** How deep causes and parts of an error go, and how many parts one has. */
export const MAX_ERROR_DEPTH = 5
export const MAX_ERROR_PARTS = 5

/** The longest of what the application or its callers choose, in characters. */
export const MAX_ORDERING_KEY_CHARS = 1024
export const MAX_LABEL_CHARS = 4096
export const MAX_TRACEPARENT_CHARS = 512

/**
 * What each part of a new record may take as JSON, in characters: together, with what is bounded by itself, no more than
 * {@link MAX_RECORD_CHARS}.
 */
export const partChars = {
  url: 96 * 1024,
  requestHeaders: 192 * 1024,
  omittedHeaders: 64 * 1024,
  redactedQuery: 64 * 1024,
  idempotencyKey: 96 * 1024,
  responseHeaders: 64 * 1024,
  responseBody: 192 * 1024,
  error: 64 * 1024,
  labels: 64 * 1024,
} as const

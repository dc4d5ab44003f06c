/** On each message: its own number, which a copy of it with the same id does not have. */
export const PUBLICATION = 'x-publication'
/** On a message whose record may be in the queue already: an earlier one was published, and may have been taken. */
export const MAYBE_TWICE = 'x-maybe-twice'

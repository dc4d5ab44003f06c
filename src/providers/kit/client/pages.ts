/** A page, and where the next one begins; `undefined` behind the last. */
interface Page<Item, Cursor> {
  readonly items: readonly Item[]
  readonly next: Cursor | undefined
}

/**
 * All items of a list, page by page: the next page is asked for when the last item of the one before is taken. A cursor that
 * leads back to the page that it came with ends the list, or it would have no end.
 */
export async function* everyItem<Item, Cursor extends string | number>(
  pageAt: (cursor: Cursor | undefined) => Promise<Page<Item, Cursor>>,
): AsyncGenerator<Item, void, undefined> {
  let cursor: Cursor | undefined
  for (;;) {
    const { items, next } = await pageAt(cursor)
    yield* items
    if (next === undefined || next === cursor) return
    cursor = next
  }
}

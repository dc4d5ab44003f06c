/** What a layer holds that must go when the caller aborts. The hooks of a call are a list without a list. */
export interface CancelHook {
  nextCancelHook: CancelHook | undefined
  cancelled(): void
}

/** The hooks that begin with `first`, without `hook`. */
export function withoutHook(first: CancelHook | undefined, hook: CancelHook): CancelHook | undefined {
  const next = hook.nextCancelHook
  hook.nextCancelHook = undefined
  if (first === hook) return next
  let before = first
  while (before !== undefined && before.nextCancelHook !== hook) before = before.nextCancelHook
  if (before !== undefined) before.nextCancelHook = next
  return first
}

/** Tells them all, the last that was set first; each leaves the list before it is told. */
export function tellHooks(first: CancelHook | undefined): void {
  let hook = first
  while (hook !== undefined) {
    const next: CancelHook | undefined = hook.nextCancelHook
    hook.nextCancelHook = undefined
    hook.cancelled()
    hook = next
  }
}

/** Warms up, says so with 0, then measures as often as the parent asks, and ends with it. */
export function serve(warmUp: number, measure: (calls: number) => Promise<number>): void {
  const answer = (calls: number): void => {
    measure(calls).then(
      (value) => process.send?.(value),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  }
  process.on('message', answer)
  process.on('disconnect', () => process.exit())
  measure(warmUp).then(
    () => process.send?.(0),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
}

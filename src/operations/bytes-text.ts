const steps = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A size as people read it: `512 B`, `1.4 MiB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let step = 0
  while (value >= 1024 && step < steps.length - 1) {
    value /= 1024
    step++
  }
  return `${step === 0 ? value : value.toFixed(1)} ${steps[step]}`
}

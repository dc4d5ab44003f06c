// node import-cost.mjs <entry>: what an import costs beyond that of undici, in milliseconds and megabytes
const [, , entry] = process.argv
if (entry !== 'undici') await import('undici')
globalThis.gc?.()
const { heapUsed } = process.memoryUsage()
const start = performance.now()
await import(entry)
const ms = performance.now() - start
const megabytes = (process.memoryUsage().heapUsed - heapUsed) / 2 ** 20
console.log(`${ms.toFixed(1)} ms, ${megabytes.toFixed(1)} MB`)

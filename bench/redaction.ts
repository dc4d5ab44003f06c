import { redactBody } from '../src/dead-letter/record/redaction/body.ts'
import { isWithoutWords } from '../src/dead-letter/record/redaction/large-body.ts'
import { defaultRules } from '../src/dead-letter/record/redaction/rules.ts'
import { slowBodies } from '../test/support/calls/slow-bodies.ts'

// How long looking for secrets holds the event loop, with bodies that are made to take long: CPU time of the thread,
// the mean of some runs, since the clock of a thread's time ticks coarsely.
//   npm run bench:redaction

const RUNS = 20
/** What is promised, in milliseconds. */
const BOUND_MS = 20

const rules = { ...defaultRules, body: new Set(['contraseña', 'iban']) }
const results: { name: string; ms: number; kept: string }[] = []

for (const [name, [text, type]] of Object.entries(slowBodies)) {
  const body = Buffer.from(text)
  let kept: Buffer | undefined
  const began = process.threadCpuUsage()
  for (let run = 0; run < RUNS; run++) kept = redactBody(body, { type, encoding: '' }, rules).body
  const { user, system } = process.threadCpuUsage(began)
  const ms = (user + system) / 1000 / RUNS
  results.push({ name, ms, kept: kept === undefined ? 'nothing' : `${kept.byteLength} bytes` })
}

// a large one is looked through first, in slices: the longest turn of the loop
const large = Buffer.from('[{"a":1},'.repeat(1024 * 1024))
let longest = 0
let last = process.threadCpuUsage()
const turn = (): void => {
  const { user, system } = process.threadCpuUsage(last)
  longest = Math.max(longest, (user + system) / 1000)
  last = process.threadCpuUsage()
  timer = setImmediate(turn)
}
let timer = setImmediate(turn)
await isWithoutWords(large, rules)
clearImmediate(timer)
results.push({ name: 'the longest slice of nine megabytes', ms: longest, kept: 'all' })

results.sort((a, b) => b.ms - a.ms)
for (const { name, ms, kept } of results) {
  console.log(`${ms.toFixed(1).padStart(6)} ms${ms > BOUND_MS ? ' !' : '  '} ${name} (kept: ${kept})`)
}

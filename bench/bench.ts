import { parseArgs, styleText } from 'node:util'
import { table } from '../examples/demo/table.ts'
import { measure, median, ratio, reply, type Samples, start } from './measure.ts'
import { type Subject, subjects } from './subjects.ts'

// What a healthy call pays. Goals are said to be met or MISSED; the exit code is 0 all the same.
//   npm run bench
//   npm run bench -- --quick            fewer rounds
//   npm run bench -- --check            exit code 1 if a goal is missed by more than its tolerance

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, check: { type: 'boolean', default: false } },
})
const generations = flags.quick ? 2 : 4
const rounds = flags.quick ? 5 : 11

interface Goal {
  what: string
  value: number
  goal: number
  /** Beyond this it is a regression: machines that others use too measure this exactly and no better. */
  tolerance: number
}

const goals: Goal[] = []
const full = 'our full stack'
const timed = 'our full stack, both timeouts'
const bare = 'bare undici'

function added(samples: Samples, subject: Subject): number {
  const base = samples.get(bare) ?? []
  return median((samples.get(subject) ?? []).map((value, round) => value - (base[round] ?? NaN)))
}

console.log(`Node ${process.version}, medians of ${rounds} rounds in each of ${generations} processes\n`)

console.log('What a layer adds to a call, in nanoseconds of CPU; the dispatcher answers at once.')
const instant = { generations, rounds, calls: 100_000 }
const byFetch = await measure('instant.ts', subjects, ['fetch'], instant)
const byRequest = await measure('instant.ts', subjects, ['request'], instant)
console.log(
  table(
    ['ns per call', 'as fetch calls it', 'as request calls it'],
    subjects
      .filter((subject) => subject !== bare)
      .map((subject) => [subject, added(byFetch, subject).toFixed(0), added(byRequest, subject).toFixed(0)]),
  ),
)
for (const [name, samples] of [
  ['fetch', byFetch],
  ['request', byRequest],
] as const) {
  const share = (subject: Subject): number => added(samples, subject) / added(samples, 'undici retry')
  goals.push(
    { what: `${full} : undici retry, as ${name} calls`, value: share(full), goal: 0.85, tolerance: 1.25 },
    { what: `${timed} : undici retry, as ${name} calls`, value: share(timed), goal: 1.1, tolerance: 1.7 },
  )
}

const server = start('server.ts')
const url = `http://127.0.0.1:${await reply(server)}`

console.log('\nCPU of this process per GET over loopback HTTP, undici.request.')
const gets = await measure('loopback.ts', subjects, [url, '0'], { generations, rounds, calls: 3_000 })
console.log(cpuTable(gets, subjects))
goals.push({
  what: 'CPU per GET, full stack : bare',
  value: ratio(gets, full, bare),
  goal: 1.05,
  tolerance: 1.15,
})

const posting = [bare, 'undici retry', full] as const
for (const [name, bytes, calls] of [
  ['1 KB', 1024, 800],
  ['100 KB', 102_400, 400],
] as const) {
  console.log(
    `\nCPU per POST of ${name} by built-in fetch; our stack records the body, so as to send it again.`,
  )
  const posts = await measure('loopback.ts', posting, [url, String(bytes)], { generations, rounds, calls })
  console.log(cpuTable(posts, posting))
  const value = ratio(posts, full, bare)
  goals.push({ what: `CPU per POST of ${name}, full stack : bare`, value, goal: 1.05, tolerance: 1.2 })
}
server.disconnect()

console.log('\nGoals')
const paint = (met: boolean, text: string): string => styleText(met ? 'green' : 'red', text)
console.log(
  table(
    ['what', 'measured', 'goal', '--check fails above', ''],
    goals.map(({ what, value, goal, tolerance }) => [
      what,
      value.toFixed(2),
      `<= ${goal.toFixed(2)}`,
      tolerance.toFixed(2),
      value <= goal ? paint(true, 'met') : paint(false, 'MISSED'),
    ]),
  ),
)
if (flags.check) process.exitCode = goals.every(({ value, tolerance }) => value <= tolerance) ? 0 : 1

function cpuTable(samples: Samples, shown: readonly Subject[]): string {
  return table(
    ['', 'microseconds', `${bare} = 1`],
    shown.map((subject) => [
      subject,
      median(samples.get(subject) ?? []).toFixed(1),
      ratio(samples, subject, bare).toFixed(3),
    ]),
  )
}

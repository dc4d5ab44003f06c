import { Agent, request, setGlobalDispatcher } from 'undici'
import { serve } from './child.ts'
import { prepare, type Subject } from './subjects.ts'

// Microseconds of CPU per request over loopback HTTP; the server is another process.
//   loopback.ts <subject> <url> <bytes>     0: GET by undici.request; else POST of so many bytes by built-in fetch

const [subject, url = '', size = '0'] = process.argv.slice(2)
const bytes = Number(size)
const CONCURRENCY = 16

const { dispatcher, around } = await prepare(subject as Subject, new Agent({ connections: CONCURRENCY }))
setGlobalDispatcher(dispatcher)
const body = Buffer.alloc(bytes, 'x')

/** A fetch body reaches a dispatcher as a one-shot generator: this is where recording costs something. */
async function post(): Promise<number> {
  const response = await fetch(url, { method: 'POST', body })
  await response.arrayBuffer()
  return response.status
}

async function get(): Promise<number> {
  const response = await request(url, { dispatcher })
  await response.body.arrayBuffer()
  return response.statusCode
}

const send = bytes === 0 ? get : post

async function run(calls: number): Promise<void> {
  let left = calls
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const status = await (around === undefined ? send() : around(send))
      if (status !== 200) throw new Error(`status ${status}`)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
}

serve(bytes > 10_000 ? 1_500 : 4_000, async (calls) => {
  const before = process.cpuUsage()
  await run(calls)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
})

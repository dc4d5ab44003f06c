import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

interface Pod {
  readonly child: ChildProcess
  readonly port: number
  readonly sockets: Set<Socket>
}

/** How long new connections still go to a pod that was killed. */
const STALE_MS = 200
const DOWN_MS = 500

export function forkSource(file: string, args: readonly string[] = []): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv: ['--import', new URL('../register.ts', import.meta.url).href],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

/** Server processes behind one port: a balancer that gives each new connection to the next of them. */
export class Pods {
  readonly #balancer = net.createServer((client) => this.#connect(client))
  #pods: Pod[] = []
  #next = 0

  static async start(count: number): Promise<Pods> {
    const pods = new Pods()
    pods.#pods = await Promise.all(Array.from({ length: count }, startPod))
    pods.#balancer.listen(0, '127.0.0.1')
    await once(pods.#balancer, 'listening')
    return pods
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#balancer.address() as AddressInfo).port}`
  }

  /**
   * Replaces the pods one after the other, each half a second later. With `grace` a pod is first taken out of the
   * rotation and told to end; without, it is killed, and new connections still go to it for a while.
   */
  async restartAll(grace: boolean): Promise<void> {
    for (const pod of [...this.#pods]) {
      const exit = once(pod.child, 'exit')
      if (grace) this.#remove(pod)
      pod.child.kill(grace ? 'SIGTERM' : 'SIGKILL')
      if (!grace) {
        await sleep(STALE_MS)
        this.#remove(pod)
      }
      await sleep(DOWN_MS)
      this.#pods.push(await startPod())
      await exit
      await sleep(1_000)
    }
  }

  async stop(): Promise<void> {
    this.#balancer.close()
    for (const { child, sockets } of this.#pods) {
      for (const socket of sockets) socket.destroy()
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    }
  }

  #remove(pod: Pod): void {
    this.#pods = this.#pods.filter((one) => one !== pod)
  }

  #connect(client: Socket): void {
    const pod = this.#pods[this.#next++ % this.#pods.length]!
    const server = net.connect(pod.port, '127.0.0.1')
    pod.sockets.add(client)
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.setNoDelay(true)
      one.pipe(other)
      one.on('error', () => other.resetAndDestroy())
      one.on('close', () => other.destroy())
    }
    client.on('close', () => pod.sockets.delete(client))
  }
}

async function startPod(): Promise<Pod> {
  const child = forkSource('./server-child.ts')
  const [port] = (await once(child, 'message')) as [number]
  return { child, port, sockets: new Set() }
}

/** One worker, as its primary has it: a process that is asked and told, and gets one connection after the other. */
import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { extname } from 'node:path'
import type { ConnectionCounts, Notice, QuestionName, Questions, ToPrimary, ToWorker } from './messages.ts'

/** The worker has ended, or ends: it will not answer. */
export class WorkerGone extends Error {
  override readonly name = 'WorkerGone'
}

/** The worker says why it cannot do what it was asked for. */
export class WorkerRefusal extends Error {
  override readonly name = 'WorkerRefusal'
}

export interface Connection {
  /** The key of the listener that accepted it. */
  readonly listener: string
  /** Nothing was read of it. */
  readonly socket: Socket
}

export interface WorkerOwner {
  /** Once, when the process is gone. @param how a sentence without its subject */
  onGone(worker: WorkerHandle, how: string): void
  /** Its gates have counted something, after a pause. */
  onCounted(): void
  /** The worker could not receive a connection: it is closed. */
  onLost(worker: WorkerHandle, connections: number): void
}

interface Asked {
  resolve(value: unknown): void
  reject(error: Error): void
}

export class WorkerHandle {
  readonly number: number
  readonly #child: ChildProcess
  readonly #owner: WorkerOwner
  readonly #asked = new Map<number, Asked>()
  #lastId = 0
  /** It has the configuration that holds, and serves. */
  isReady = false
  /** It was asked whether it is alive, and has not answered. */
  #looking = false
  /** So many looks found that it has not answered the last `alive`. */
  unanswered = 0
  /** Connections that are to be its own. They are sent one by one, so that no more than one goes down with it unserved. */
  readonly #waiting: Connection[] = []
  #counts: ConnectionCounts = { taken: 0, open: 0 }
  /** Of the one that is on its way. Node keeps its descriptor for ever where the worker ends before it has it, so it is ours. */
  #onItsWay: Socket | undefined
  #sent = 0
  #lost = 0
  #isGone = false

  /** @param execArgv options of Node's and V8's */
  constructor(number: number, execArgv: readonly string[], owner: WorkerOwner) {
    this.number = number
    this.#owner = owner
    // Where types are stripped from our own files when they are loaded, as in tests, it is a .ts file.
    const entry = new URL(`./worker-process${extname(import.meta.url)}`, import.meta.url)
    // Standard output is the same file for all: lines of the log are written whole.
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
    this.#child = fork(entry, [], { serialization: 'advanced', execArgv: [...execArgv], stdio: [...stdio] })
    this.#child.on('message', message => this.#hear(message as unknown as ToPrimary))
    this.#child.on('exit', (code, signal) =>
      this.#gone(signal === null ? `ended with ${code}` : `was ended by ${signal}`),
    )
    this.#child.on('error', error => {
      // It could not be started; other errors are those of a process that is gone or going.
      if (this.#child.pid === undefined) this.#gone(`cannot be started: ${error.message}`)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Its connections, with those that are on the way to it. */
  get load(): number {
    return this.#counts.open + this.#inFlight + this.#waiting.length
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  get #inFlight(): number {
    return Math.max(0, this.#sent - this.#counts.taken - this.#lost)
  }

  /** @throws WorkerGone; WorkerRefusal */
  ask<N extends QuestionName>(name: N, given: Questions[N]['given']): Promise<Questions[N]['answer']> {
    const answer = Promise.withResolvers<unknown>()
    const id = ++this.#lastId
    if (this.#isGone) answer.reject(new WorkerGone(`worker ${this.number} is gone`))
    else {
      this.#asked.set(id, answer)
      this.#send({ kind: 'question', id, name, given })
    }
    return answer.promise as Promise<Questions[N]['answer']>
  }

  tell(message: Notice): void {
    this.#send(message)
  }

  /** Asks whether its event loop turns, unless it owes an answer to that: this is counted. */
  look(): void {
    if (this.#looking) {
      this.unanswered++
      return
    }
    this.#looking = true
    const sent = this.#sent
    this.ask('alive', undefined).then(
      counts => {
        this.#looking = false
        this.unanswered = 0
        this.#counted(counts)
        const lost = sent - counts.taken - this.#lost
        // What was sent before the question has come before it, or not at all: it had no descriptor left, for example.
        if (lost > 0) this.#loseSome(lost)
      },
      () => {},
    )
  }

  #loseSome(lost: number): void {
    this.#lost += lost
    this.#letGo()
    this.#owner.onLost(this, lost)
    this.#sendNext()
  }

  give(connection: Connection): void {
    this.#waiting.push(connection)
    this.#sendNext()
  }

  /** Those that were not sent are somebody else's from now on. */
  takeBack(): Connection[] {
    return this.#waiting.splice(0)
  }

  #sendNext(): void {
    if (this.#isGone || this.#inFlight > 0) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#sent++
    this.#onItsWay = next.socket
    this.#send({ kind: 'connection', listener: next.listener }, next.socket)
  }

  /** It arrived, or never will. Where it arrived, the worker has a descriptor of its own. */
  #letGo(): void {
    this.#onItsWay?.destroy()
    this.#onItsWay = undefined
  }

  #send(message: ToWorker, socket?: Socket): void {
    // What is wrong here is that the process goes: `exit` says so.
    this.#child.send(message, socket, { keepOpen: true }, () => {})
  }

  #hear(message: ToPrimary): void {
    if (message.kind === 'connections') {
      this.#counted(message)
      return
    }
    if (message.kind === 'counted') return this.#owner.onCounted()
    const asked = this.#asked.get(message.id)
    this.#asked.delete(message.id)
    if (message.kind === 'answer') asked?.resolve(message.value)
    else asked?.reject(new WorkerRefusal(message.message))
  }

  #counted({ taken, open }: ConnectionCounts): void {
    this.#counts = { taken, open }
    if (this.#inFlight === 0) this.#letGo()
    this.#sendNext()
  }

  /** It has told the last, and may end. */
  release(): void {
    if (this.#child.connected) this.#child.disconnect()
  }

  /** No word with it: `exit` follows. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #gone(how: string): void {
    if (this.#isGone) return
    this.#isGone = true
    this.isReady = false
    for (const { reject } of this.#asked.values()) reject(new WorkerGone(`worker ${this.number} ${how}`))
    this.#asked.clear()
    this.#letGo()
    this.#owner.onGone(this, how)
  }
}

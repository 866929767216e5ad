/**
 * One question to DNS servers (RFC 1035), for kinds of records of which Node's resolver does not tell enough: with SRV it
 * tells neither how long the records live nor the addresses that came with them.
 *
 * ```
 *   for each try, for each server:   UDP ──▶ truncated? ──▶ TCP        no answer in time, or it fails: the next server
 * ```
 *
 * An answer counts if it comes from the server's address and port, to a port that the system chose by chance, and repeats
 * the number and the question (RFC 5452 §9.1).
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import * as dnsPacket from 'dns-packet'
import type { Clock } from '../transport/clock.ts'
import type { DnsServer } from './dns-server.ts'
import { TIMEOUT_MS, TRIES } from './host-addresses.ts'

/** What fits into one packet of usual networks, so that no part of an answer can be forged (DNS Flag Day 2020). */
const UDP_BYTES = 1_232
/** The system's library asks no more of those in /etc/resolv.conf (MAXNS). */
const MAX_SERVERS = 3

/** What is used of a message. dns-packet's own types leave out some of it. */
export interface DnsMessage {
  readonly id: number
  readonly type: 'query' | 'response'
  readonly rcode: string
  readonly flag_tc: boolean
  readonly questions: readonly { readonly name: string; readonly type: string }[]
  readonly answers: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

/** What is in `data` depends on the type. */
export interface DnsRecord {
  readonly name: string
  readonly type: string
  readonly ttl?: number
  readonly data?: unknown
}

export class DnsFailure extends Error {
  /** As Node's resolver has it. */
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

export interface QuestionContext {
  readonly clock: Clock
  readonly servers: readonly DnsServer[]
  /** Gives the question up. */
  readonly signal: AbortSignal
}

/**
 * @returns an answer without error; it may have no record
 * @throws DnsFailure
 */
export async function askDns(name: string, type: 'SRV', context: QuestionContext): Promise<DnsMessage> {
  let failure = new DnsFailure('ECONNREFUSED')
  for (let i = 0; i < TRIES; i++) {
    for (const server of context.servers.slice(0, MAX_SERVERS)) {
      try {
        return await askServer(new Question(name, type), server, TIMEOUT_MS * 2 ** i, context)
      } catch (error) {
        if (!(error instanceof DnsFailure)) throw error
        if (error.code === 'ENOTFOUND' || error.code === 'ECANCELLED') throw error
        failure = error
      }
    }
  }
  throw failure
}

async function askServer(
  question: Question,
  server: DnsServer,
  timeoutMs: number,
  context: QuestionContext,
): Promise<DnsMessage> {
  let answer = await inTime(over.udp(question, server), timeoutMs, context)
  if (answer.rcode === 'FORMERR' && question.extended) {
    // A server that is older than EDNS (RFC 6891 §7).
    question.extended = false
    answer = await inTime(over.udp(question, server), timeoutMs, context)
  }
  if (answer.flag_tc) answer = await inTime(over.tcp(question, server), timeoutMs, context)
  if (answer.rcode === 'NOERROR') return answer
  throw new DnsFailure(FAILURES[answer.rcode] ?? 'EBADRESP')
}

const FAILURES: Readonly<Record<string, string>> = {
  NXDOMAIN: 'ENOTFOUND',
  SERVFAIL: 'ESERVFAIL',
  REFUSED: 'EREFUSED',
  NOTIMP: 'EREFUSED',
}

class Question {
  readonly id = randomInt(2 ** 16)
  readonly name: string
  readonly type: 'SRV'
  /** It says how large an answer over UDP may be. */
  extended = true

  constructor(name: string, type: 'SRV') {
    this.name = name.replace(/\.$/, '')
    this.type = type
  }

  get packet(): dnsPacket.Packet {
    const size = { type: 'OPT', name: '.', udpPayloadSize: UDP_BYTES, flags: 0, options: [] } as const
    return {
      id: this.id,
      type: 'query',
      flags: dnsPacket.RECURSION_DESIRED,
      questions: [{ name: this.name, type: this.type }],
      additionals: this.extended ? [size as unknown as dnsPacket.OptAnswer] : [],
    }
  }

  /** @returns undefined for what is no answer to this question */
  answerIn(bytes: Buffer): DnsMessage | undefined {
    const answer = decoded(bytes)
    const [asked, ...more] = answer?.questions ?? []
    if (answer?.id !== this.id || answer.type !== 'response' || asked === undefined || more.length > 0) return undefined
    const same = asked.type === this.type && asked.name.toLowerCase() === this.name.toLowerCase()
    return same ? answer : undefined
  }
}

function decoded(bytes: Buffer): DnsMessage | undefined {
  try {
    return dnsPacket.decode(bytes) as unknown as DnsMessage
  } catch {
    return undefined
  }
}

/** A question that is under way. */
interface Asking {
  readonly answer: Promise<DnsMessage>
  /** What came so far was no answer. */
  readonly heardNonsense: () => boolean
  close(): void
}

async function inTime(asking: Asking, timeoutMs: number, { clock, signal }: QuestionContext): Promise<DnsMessage> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = clock.after(timeoutMs, () => reject(new DnsFailure(asking.heardNonsense() ? 'EBADRESP' : 'ETIMEOUT')))
  const onAbort = () => reject(new DnsFailure('ECANCELLED'))
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    return await Promise.race([asking.answer, promise])
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', onAbort)
    asking.close()
  }
}

const over = {
  /** What is no answer is passed over: who does not see the question can only guess, and the true answer may still come. */
  udp(question: Question, { host, port }: DnsServer): Asking {
    const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>()
    let nonsense = false
    const socket = createSocket(isIPv6(host.split('%', 1)[0]!) ? 'udp6' : 'udp4')
    const fail = (error: NodeJS.ErrnoException) => reject(new DnsFailure(error.code ?? 'ECONNREFUSED'))
    socket.on('error', fail)
    socket.on('message', bytes => {
      const answer = question.answerIn(bytes)
      if (answer === undefined) nonsense = true
      else resolve(answer)
    })
    // A connected socket hears nobody else, and is told if nobody listens there.
    socket.connect(port, host, (error?: Error) => {
      if (error === undefined) socket.send(dnsPacket.encode(question.packet))
      else fail(error)
    })
    return { answer: promise, heardNonsense: () => nonsense, close: () => socket.close() }
  },

  tcp(question: Question, { host, port }: DnsServer): Asking {
    const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>()
    const chunks: Buffer[] = []
    let received = 0
    const socket = connect(port, host, () => socket.write(dnsPacket.streamEncode(question.packet)))
    socket.on('error', (error: NodeJS.ErrnoException) => reject(new DnsFailure(error.code ?? 'ECONNREFUSED')))
    socket.on('close', () => reject(new DnsFailure('EBADRESP')))
    socket.on('data', (bytes: Buffer) => {
      chunks.push(bytes)
      received += bytes.length
      // "prefixed with a two byte length field which gives the message length" (RFC 1035 §4.2.2)
      const head = chunks[0]!.length < 2 ? Buffer.concat(chunks) : chunks[0]!
      if (received < 2 || received - 2 < head.readUInt16BE(0)) return
      const answer = question.answerIn(Buffer.concat(chunks).subarray(2, 2 + head.readUInt16BE(0)))
      if (answer === undefined) reject(new DnsFailure('EBADRESP'))
      else resolve(answer)
    })
    return { answer: promise, heardNonsense: () => false, close: () => socket.destroy() }
  },
}

/** An authoritative DNS server on UDP and TCP: it answers A, AAAA and SRV questions with what a test says. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import * as dns from 'dns-packet'
import type { Test } from 'tap'
import { type OnMessage, startTcp } from './tcp.ts'

export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const

export interface Srv {
  readonly target: string
  readonly port: number
  readonly priority?: number
  readonly weight?: number
}

export interface Zone {
  /** Of both kinds; a question is answered with those of its kind. */
  addresses: readonly string[]
  /** The same for names that have others. */
  hosts: Readonly<Record<string, readonly string[]>>
  srv: readonly Srv[]
  /** The addresses of targets come with them. */
  glue: boolean
  ttl: number
  rcode: number
  /** Which questions fail with `rcode`: all, or those for these names. */
  failing: readonly string[] | undefined
  /** A record of another kind before the answer: the name is an alias. */
  alias: string | undefined
  /** What it does instead of an answer as it should be. */
  odd?: Oddity | undefined
}

type Oddity =
  | 'silent'
  | 'garbage'
  /** Somebody else answers first, who does not see the question. */
  | 'forged'
  /** It does not know EDNS. */
  | 'old'
  /** It says so each time, and has no answer over TCP either. */
  | 'truncated'
  | 'hangs up'

export interface DnsServer {
  /** `127.0.0.1:port` */
  readonly address: string
  /** `A name`, as they came; those over TCP with `tcp` before. */
  readonly questions: string[]
  readonly zone: Zone
}

const NOTHING: Zone = {
  ...{ addresses: [], hosts: {}, srv: [], glue: true, ttl: 60 },
  ...{ rcode: RCODE.NOERROR, failing: undefined, alias: undefined },
}

export async function dnsServer(t: Test, zone: Partial<Zone> = {}): Promise<DnsServer> {
  const server = { questions: [] as string[], zone: { ...NOTHING, ...zone } }
  const { udp, port } = await bothOn(t, (bytes, socket) => {
    const query = dns.decode(bytes)
    server.questions.push(`tcp ${nameOf(query)}`)
    if (server.zone.odd === 'hangs up' || server.zone.odd === 'truncated') return socket.destroy()
    // In two pieces, as the network may have it.
    const reply = dns.streamEncode(replyTo(query, server.zone))
    socket.write(reply.subarray(0, 1))
    setImmediate(() => socket.write(reply.subarray(1)))
  })
  udp.on('message', (bytes, from) => {
    const query = dns.decode(bytes)
    server.questions.push(nameOf(query))
    for (const reply of repliesTo(query, bytes, server.zone)) udp.send(reply, from.port, from.address)
  })
  return { address: `127.0.0.1:${port}`, ...server }
}

/** One port for both; what is free for one may be taken for the other. */
async function bothOn(t: Test, onMessage: OnMessage): Promise<{ udp: Socket; port: number }> {
  for (;;) {
    const udp = createSocket('udp4')
    udp.bind(0, '127.0.0.1')
    await once(udp, 'listening')
    const { port } = udp.address()
    const taken = await startTcp(t, port, onMessage).then(
      () => false,
      () => true,
    )
    if (taken) udp.close()
    else {
      t.teardown(() => udp.close())
      return { udp, port }
    }
  }
}

const nameOf = ({ questions: [question] = [] }: dns.Packet) => `${question!.type} ${question!.name}`

function repliesTo(query: dns.Packet, bytes: Buffer, zone: Zone): Buffer[] {
  const { odd } = zone
  if (odd === 'silent') return []
  if (odd === 'garbage') return [Buffer.from('no DNS')]
  if (odd === 'old' && (query.additionals ?? []).length > 0) {
    return [dns.encode({ ...replyTo(query, zone), answers: [], additionals: [], flags: RCODE.FORMERR })]
  }
  const reply = replyTo(query, zone)
  const whole = dns.encode(reply)
  const [size] = (query.additionals ?? []).filter(({ type }) => type === 'OPT') as dns.OptAnswer[]
  const fits = whole.length <= (size?.udpPayloadSize ?? 512) && odd !== 'truncated' && odd !== 'hangs up'
  const flags = reply.flags! | dns.TRUNCATED_RESPONSE
  const sent = fits ? whole : dns.encode({ ...reply, flags, answers: [], additionals: [] })
  return odd === 'forged' ? [...forged(query, bytes), sent] : [sent]
}

/** With another number, with another question, and one that repeats the question as a question. */
function forged(query: dns.Packet, bytes: Buffer): Buffer[] {
  const [question] = query.questions!
  const evil = { ...NOTHING, addresses: ['192.0.2.66'], srv: [{ target: 'evil.test', port: 66 }] }
  const reply = replyTo(query, { ...evil, hosts: { 'evil.test': ['192.0.2.66'] } })
  return [
    dns.encode({ ...reply, id: (query.id! + 1) % 2 ** 16 }),
    dns.encode({ ...reply, questions: [{ ...question!, name: 'evil.test' }] }),
    dns.encode({ ...reply, questions: [] }),
    bytes,
  ]
}

function replyTo(query: dns.Packet, zone: Zone): dns.Packet {
  const [question] = query.questions!
  const name = question!.name
  const fails = zone.failing === undefined || zone.failing.includes(name.toLowerCase())
  const owner = zone.alias ?? name
  const answers: dns.Answer[] = fails && zone.rcode !== 0 ? [] : recordsOf(owner, question!.type, zone)
  if (zone.alias !== undefined) answers.unshift({ type: 'CNAME', name, ttl: zone.ttl, data: zone.alias })
  const targets = question!.type === 'SRV' && zone.glue ? zone.srv.map(({ target }) => target) : []
  const glue = [...new Set(targets)].flatMap(target => ['A', 'AAAA'].flatMap(type => recordsOf(target, type, zone)))
  return {
    ...{ id: query.id, type: 'response', questions: query.questions, answers, additionals: glue },
    flags: dns.RECURSION_DESIRED | dns.RECURSION_AVAILABLE | (fails ? zone.rcode : RCODE.NOERROR),
  }
}

function recordsOf(name: string, type: string, { addresses, hosts, srv, ttl }: Zone): dns.Answer[] {
  if (type === 'SRV') return srv.map(data => ({ type: 'SRV', name, ttl, data }))
  const all = hosts[name.toLowerCase()] ?? addresses
  const mine = all.filter(address => (type === 'A') === isIPv4(address) && (type === 'A' || type === 'AAAA'))
  return mine.map(data => ({ type: type as 'A' | 'AAAA', name, ttl, data }))
}

/** A small DNS server (RFC 1035) on UDP: it answers A and AAAA questions with what a test says. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv4 } from 'node:net'
import type { Test } from 'tap'

export const RCODE = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const

export interface Zone {
  /** Of both kinds; a question is answered with those of its kind. */
  addresses: readonly string[]
  ttl: number
  rcode: number
  /** Answers with bytes that are no DNS message, or not at all. */
  odd?: 'silent' | 'garbage'
}

export interface DnsServer {
  /** `127.0.0.1:port` */
  readonly address: string
  /** `A name`, as they came. */
  readonly questions: string[]
  readonly zone: Zone
}

const TYPES: Readonly<Record<number, 'A' | 'AAAA'>> = { 1: 'A', 28: 'AAAA' }

export async function dnsServer(t: Test, addresses: readonly string[]): Promise<DnsServer> {
  const zone: Zone = { addresses, ttl: 60, rcode: RCODE.NOERROR }
  const questions: string[] = []
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  socket.on('message', (query, from) => {
    const { name, type, end } = questionOf(query)
    questions.push(`${TYPES[type]} ${name}`)
    if (zone.odd === 'silent') return
    const reply = zone.odd === 'garbage' ? Buffer.from('no DNS') : replyTo(query, end, type, zone)
    socket.send(reply, from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { address: `127.0.0.1:${socket.address().port}`, questions, zone }
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.'), type: query.readUInt16BE(at + 1), end: at + 5 }
}

function replyTo(query: Buffer, end: number, type: number, { addresses, ttl, rcode }: Zone): Buffer {
  const mine = addresses.filter(address => TYPES[type] === (isIPv4(address) ? 'A' : 'AAAA'))
  const head = Buffer.from(query.subarray(0, 12))
  // A response, recursion desired and available.
  head.writeUInt16BE(0x8180 | rcode, 2)
  for (const [i, count] of [1, mine.length, 0, 0].entries()) head.writeUInt16BE(count, 4 + 2 * i)
  return Buffer.concat([head, query.subarray(12, end), ...mine.map(address => record(address, type, ttl))])
}

function record(address: string, type: number, ttl: number): Buffer {
  const data = isIPv4(address) ? Buffer.from(address.split('.').map(Number)) : ipv6(address)
  const head = Buffer.alloc(12)
  // The name is that of the question, at octet 12.
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt32BE(ttl, 6)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function ipv6(address: string): Buffer {
  const [before, after = ''] = address.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16)))
  const [head, tail] = [groups(before!), groups(after)]
  const all = [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail]
  return Buffer.from(all.flatMap(group => [group >> 8, group & 255]))
}

/**
 * The clients of a backend, as far as outlier ejection has to tell them apart. A voter is a client's address (an IPv4
 * address, or 64 bits of an IPv6 address), if clients of more than one address have called lately. Otherwise, behind a load
 * balancer that hides them for instance, it is a client's session.
 */
import { prefixOf } from '../../transport/address-prefix.ts'
import type { ClientShare } from '../client-share.ts'

const PREFIX_BITS = { ipv4: 32, ipv6: 64 } as const

export interface Member {
  /** The part of its address that counts. */
  readonly prefix: string
  /** From 0 up to 1. It is drawn once, however many calls the client makes. */
  readonly lot: number
}

export class Crowd {
  readonly #random: () => number
  readonly #members = new WeakMap<ClientShare, Member>()
  /** Some client of this interval, and of the one before. */
  #one: Member | undefined
  #oneBefore: Member | undefined
  #several = false
  /** Before the first interval is over nobody knows: one that calls first is not the only one. */
  #severalBefore = true
  #prefixes = false
  #prefixesBefore = false

  constructor(random: () => number) {
    this.#random = random
  }

  /** A number from 0 up to 1. */
  draw(): number {
    return this.#random()
  }

  /** A client that calls. */
  see(client: ClientShare): Member {
    let member = this.#members.get(client)
    if (member === undefined) {
      member = { prefix: prefixOf(hostOf(client.peer), PREFIX_BITS), lot: this.#random() }
      this.#members.set(client, member)
    }
    this.#one ??= member
    if (!this.#prefixes) this.#compare(member)
    return member
  }

  #compare(member: Member): void {
    for (const other of [this.#one, this.#oneBefore]) {
      if (other === undefined || other === member) continue
      this.#several = true
      if (other.prefix !== member.prefix) this.#prefixes = true
    }
  }

  /** More than one client has called in this interval or the one before, or it is not known. */
  get several(): boolean {
    return this.#several || this.#severalBefore
  }

  /** … of more than one address. */
  get byAddress(): boolean {
    return this.#prefixes || this.#prefixesBefore
  }

  /** The interval ends. */
  turnOver(): void {
    this.#oneBefore = this.#one
    this.#severalBefore = this.#several
    this.#prefixesBefore = this.#prefixes
    this.#one = undefined
    this.#several = this.#prefixes = false
  }
}

/** `203.0.113.7:54321` and `[2001:db8::1]:54321` without the port. */
function hostOf(peer: string): string {
  const end = peer.lastIndexOf(':')
  return end < 0 ? peer : peer.slice(0, end).replace(/^\[(.*)\]$/, '$1')
}

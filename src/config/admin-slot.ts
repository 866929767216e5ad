/** The admin address that a proxy has now, if it has one, and how it changes. */
import type { AdminOptions } from '../admin/server.ts'
import { UnfitChange } from '../proxy/front-change.ts'
import { socketName } from '../transport/listening-socket.ts'
import type { Admin, Administered } from './admin.ts'

/** The next admin address, ready; one of the two is called. */
export interface AdminChange {
  commit(): Promise<void>
  discard(): Promise<void>
}

const NO_CHANGE: AdminChange = { commit: async () => {}, discard: async () => {} }

interface Opened {
  readonly admin: Admin
  readonly options: AdminOptions
  /** That it has, which may be another port than 0. */
  readonly address: string
}

export class AdminSlot {
  readonly #proxy: Administered
  #now: Opened | undefined

  constructor(proxy: Administered) {
    this.#proxy = proxy
  }

  /** Undefined: there is none. */
  get address(): string | undefined {
    return this.#now?.address
  }

  /** Opens it where it is new. @throws UnfitChange; the system's error where the address cannot be had */
  async prepare(next: AdminOptions | undefined): Promise<AdminChange> {
    const now = this.#now
    if (next === undefined) return now === undefined ? NO_CHANGE : this.#replacing(undefined)
    if (now !== undefined && isSameAddress(now.options, next)) return this.#updating(now, next)
    // Most proxies in somebody's program have none.
    const { Admin } = await import('./admin.ts')
    const admin = new Admin(next, this.#proxy)
    const address = await admin.listen()
    this.#proxy.log.info({ address, tls: next.tls !== undefined }, `admin address ${address}`)
    return this.#replacing({ admin, options: next, address })
  }

  #updating({ admin, options, address }: Opened, next: AdminOptions): AdminChange {
    if ((options.tls === undefined) !== (next.tls === undefined)) {
      throw new UnfitChange(
        'admin: whether it has TLS cannot change at the same address: give it another one, or restart',
      )
    }
    const commit = async () => {
      admin.update(next)
      this.#now = { admin, options: next, address }
    }
    return { commit, discard: async () => {} }
  }

  #replacing(next: Opened | undefined): AdminChange {
    const commit = async () => {
      const before = this.#now
      this.#now = next
      await before?.admin.close()
    }
    return { commit, discard: async () => next?.admin.close() }
  }

  async close(): Promise<void> {
    await this.#now?.admin.close()
    this.#now = undefined
  }
}

function isSameAddress(one: AdminOptions, other: AdminOptions): boolean {
  return socketName(one) === socketName(other)
}

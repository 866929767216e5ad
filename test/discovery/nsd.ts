/** A real authoritative DNS server: NSD, as Debian has it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'

const PROGRAM = ['/usr/sbin/nsd', '/usr/local/sbin/nsd'].find(path => existsSync(path))

/** Why there is none here; undefined: there is one. */
export const NO_NSD = PROGRAM === undefined ? 'nsd is not there: apt-get install nsd' : undefined

const HEAD = (serial: number) => `$ORIGIN api.test.
@ 3600 IN SOA ns.api.test. admin.api.test. ${serial} 3600 600 86400 1
@ 3600 IN NS ns.api.test.
ns 3600 IN A 127.0.0.1
`

export class Nsd {
  readonly address: string
  readonly #zone: string
  readonly #child: ChildProcess
  #serial = 1

  private constructor(address: string, zone: string, child: ChildProcess) {
    this.address = address
    this.#zone = zone
    this.#child = child
  }

  static async start(t: Test, records: string): Promise<Nsd> {
    const folder = t.testdir({})
    for (;;) {
      const port = await freePort()
      const zone = join(folder, 'api.test.zone')
      writeFileSync(zone, HEAD(1) + records)
      const config = join(folder, 'nsd.conf')
      writeFileSync(config, configOf(folder, port, zone))
      const child = spawn(PROGRAM!, ['-d', '-c', config], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
      const ended = once(child, 'exit')
      t.teardown(async () => {
        // All of them, as each reload makes another process. One that was stopped, or that reloads, may stay on a SIGTERM.
        signalAll(child, 'SIGKILL')
        await ended
      })
      const said: string[] = []
      child.stderr!.on('data', text => said.push(String(text)))
      const ready = await Promise.race([answers(port), ended.then(() => false)])
      if (ready) return new Nsd(`127.0.0.1:${port}`, zone, child)
      // Somebody else may have taken the port meanwhile.
      if (!/in use/.test(said.join(''))) throw new Error(`nsd ended: ${said.join('')}`)
    }
  }

  /** The zone from now on; NSD reads it again within some hundred milliseconds. */
  has(records: string): void {
    writeFileSync(this.#zone, HEAD(++this.#serial) + records)
    this.#child.kill('SIGHUP')
  }

  /** It hangs, with all its processes, until `goOn`. */
  freeze(): void {
    signalAll(this.#child, 'SIGSTOP')
  }

  goOn(): void {
    signalAll(this.#child, 'SIGCONT')
  }
}

/** To its group, which is its own. */
function signalAll({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid!, signal)
  } catch {
    // None is left.
  }
}

function configOf(folder: string, port: number, zone: string): string {
  return `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  server-count: 1
  refuse-any: yes
  minimal-responses: no
remote-control:
  control-enable: no
zone:
  name: api.test
  zonefile: ${zone}
zone:
  name: unloaded.test
  zonefile: ${folder}/nothing.zone
`
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

/** It is asked until it answers. */
async function answers(port: number): Promise<boolean> {
  const { Resolver } = await import('node:dns/promises')
  for (;;) {
    const resolver = new Resolver({ timeout: 100, tries: 1 })
    resolver.setServers([`127.0.0.1:${port}`])
    const code = await resolver.resolve4('ns.api.test').then(
      () => undefined,
      error => error.code,
    )
    if (code === undefined) return true
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** An endpoint on a real socket that says how it is, and answers calls as it is told. And what the proxy logs of it. */
import pino from 'pino'
import { field, message, RESPONSE, requestFields } from '../../contract/rig.ts'
import type { RawClient } from '../../support/raw-client.ts'
import type { RawConnection } from '../../support/raw-connection.ts'
import { RawServer } from '../../support/raw-server.ts'
import type { Scope } from '../../support/teardown.ts'

/** A call of this path is wrong in itself: every endpoint answers INTERNAL. */
export const BAD_PATH = '/pkg.Service/Bad'
/** … and never answered. */
export const SILENT_PATH = '/pkg.Service/Silent'

const CHECK = '/grpc.health.v1.Health/Check'

export class Replica {
  readonly server: RawServer
  /** What the health service says: 1 is SERVING, 2 NOT_SERVING. */
  health = 1
  /** The grpc-status of calls. */
  status = 0
  /** Checks and calls that came. */
  checks = 0
  calls = 0

  private constructor(server: RawServer) {
    this.server = server
    server.onConnection(connection => {
      connection.onHeaders(headers => this.#answer(connection, headers.streamId, field(headers, ':path') ?? ''))
    })
  }

  static async listen(t: Scope): Promise<Replica> {
    return new Replica(await RawServer.listen(t))
  }

  #answer(connection: RawConnection, streamId: number, path: string): void {
    if (path === CHECK) this.checks++
    else this.calls++
    if (path === SILENT_PATH) return
    connection.headers(streamId, RESPONSE)
    if (path === CHECK) connection.data(streamId, message(`\x08${String.fromCharCode(this.health)}`))
    const status = path === CHECK ? 0 : path === BAD_PATH ? 13 : this.status
    connection.headers(streamId, [['grpc-status', String(status)]], { endStream: true })
  }
}

/** Makes a call. @returns its grpc-status */
export async function ask(client: RawClient, path = '/pkg.Service/Method'): Promise<string | undefined> {
  const id = client.request(requestFields([], path), { endStream: true })
  return field((await client.ended(id)).at(-1), 'grpc-status')
}

export interface EndpointLine {
  readonly msg: string
  readonly level: number
  readonly endpoint: string
  readonly detail: string
}

/** A logger, and its lines about endpoints. */
export function endpointLog(): { logger: pino.Logger; lines: EndpointLine[] } {
  const lines: EndpointLine[] = []
  const write = (text: string) => {
    const line = JSON.parse(text) as EndpointLine
    if (/^endpoint (unhealthy|healthy|ejected|readmitted)$/.test(line.msg)) lines.push(line)
  }
  return { logger: pino({ level: 'info' }, { write }), lines }
}

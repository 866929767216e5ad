/**
 * grpc-go's interop client and server. What each case does:
 * https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Certificates, certificates } from '../support/certs.ts'
import { type Ended, findOrInstall, type GoProgram, scratchFolder, start } from './go-program.ts'

const CLIENT: GoProgram = { name: 'client', package: 'google.golang.org/grpc/interop/client' }
const SERVER: GoProgram = { name: 'server', package: 'google.golang.org/grpc/interop/server' }

/** These need an account at Google. */
const AUTHENTICATED = new Set([
  'compute_engine_creds',
  'service_account_creds',
  'jwt_token_creds',
  'per_rpc_creds',
  'oauth2_auth_token',
  'google_default_credentials',
  'compute_engine_channel_credentials',
])
/** The client has these, but its help does not tell of them. */
const UNTOLD = ['rpc_soak', 'channel_soak']

/** The client reads load reports through a balancer of its own. */
const ORCA = ['-service_config_json', '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}']
/** What they prove is that each call ends well; a busy machine may take its time. */
const SOAK = [
  ...['-soak_iterations', '50', '-soak_num_threads', '5'],
  ...['-soak_per_iteration_max_acceptable_latency_ms', '10000', '-soak_overall_timeout_seconds', '40'],
]
/** What a case needs besides its name. */
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  orca_per_rpc: ORCA,
  orca_oob: ORCA,
  rpc_soak: SOAK,
  channel_soak: SOAK,
}

/** A case takes some milliseconds, the longest some seconds; on a busy machine several times that. */
const CASE_TIMEOUT_MS = 60_000
const HELP_TIMEOUT_MS = 10_000

export interface ServerPorts {
  readonly h2c: number
  readonly tls: number
}

/** The client's program, and what its calls over TLS need. */
export interface Client {
  readonly file: string
  readonly tlsFlags: readonly string[]
}

/** @throws like `findOrInstall` */
export async function findPrograms(): Promise<{ client: string; server: string }> {
  const folder = process.env.INTEROP_BIN
  return { client: await findOrInstall(CLIENT, folder), server: await findOrInstall(SERVER, folder) }
}

/** All cases that the client can run without credentials. @throws Error when its help is not what we know */
export async function listCases(client: string): Promise<string[]> {
  const { output } = await start(client, ['-help'], { timeoutMs: HELP_TIMEOUT_MS }).ended
  const told = [...output.matchAll(/^\s+([a-z]\w+) ?: /gm)].map(([, name]) => name!)
  if (!told.includes('empty_unary')) throw new Error(`${client} -help does not tell its cases:\n${output}`)
  return [...told.filter(name => !AUTHENTICATED.has(name)), ...UNTOLD]
}

/** Starts two, on h2c and on TLS; they end with this process. */
export async function startServers(programs: {
  client: string
  server: string
}): Promise<{ ports: ServerPorts; client: Client }> {
  const files = writeCertificates(await certificates())
  const tls = ['-use_tls', '-tls_cert_file', files.cert, '-tls_key_file', files.key]
  return {
    ports: { h2c: await listening(programs.server, []), tls: await listening(programs.server, tls) },
    client: { file: programs.client, tlsFlags: ['-use_tls', '-use_test_ca', '-ca_file', files.ca] },
  }
}

async function listening(server: string, flags: readonly string[]): Promise<number> {
  const env = { ...process.env, GRPC_GO_LOG_SEVERITY_LEVEL: 'info' }
  const [, port] = await start(server, ['-port', '0', ...flags], { env }).line(/server listening on \S*:(\d+)/)
  return Number(port)
}

function writeCertificates({ ca, server }: Certificates): { ca: string; cert: string; key: string } {
  const folder = scratchFolder()
  const write = (name: string, pem: string): string => {
    const file = path.join(folder, name)
    writeFileSync(file, pem)
    return file
  }
  return {
    ca: write('ca.pem', ca.cert),
    cert: write('server.pem', server.cert),
    key: write('server.key', server.key),
  }
}

/** The client ends with 0 when the case passed. */
export function runCase(name: string, client: Client, port: number, tls: boolean): Promise<Ended> {
  const target = ['-server_host', '127.0.0.1', '-server_port', String(port), ...(tls ? client.tlsFlags : [])]
  const args = ['-test_case', name, ...target, ...(FLAGS[name] ?? [])]
  return start(client.file, args, { timeoutMs: CASE_TIMEOUT_MS }).ended
}

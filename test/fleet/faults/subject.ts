/** The proxies of the fault runs: how each is started over a list of endpoints, is told another list, and tells where calls went. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Child, freePort, OPEN_FILES } from '../../../bench/measure/child.ts'
import { ENVOY, envoyConfiguration } from '../../../bench/subjects/envoy.ts'
import { findProgram, type Program, requireCommand } from '../../../bench/subjects/installed.ts'
import { NGHTTPX as NGHTTPX_PROGRAM, nghttpxArgs } from '../../../bench/subjects/nghttpx.ts'
import { NODE, THIS_TREE } from '../../../bench/subjects/node.ts'

/** What a proxy's own log says of a call. */
export interface CallRecord {
  /** The port of the endpoint that it was sent to last. Undefined: to none. */
  readonly port: number | undefined
  /** Why, in the proxy's words. */
  readonly reason: string
}

export interface Running {
  readonly child: Child
  readonly port: number
  /** Resolves when the proxy has been told; it may need a moment to do it. */
  setEndpoints?(ports: readonly number[]): void
  /** By the names of calls. */
  records(): Map<string, CallRecord>
}

export interface Subject {
  /** It is this project's. */
  readonly ours?: true
  readonly name: string
  /** Why it cannot take part here; undefined: it can. */
  missing(): string | undefined
  start(folder: string, ports: readonly number[]): Promise<Running>
}

/** Atomically, as a file of endpoints should be replaced. */
function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8').split('\n')
}

const addressesOf = (ports: readonly number[]): string[] => ports.map(port => `127.0.0.1:${port}`)
const portOf = (address: string): number | undefined => Number(/:(\d+)$/.exec(address)?.[1]) || undefined

/**
 * @param backend what its configuration has beside the source of its endpoints
 * @param route what the route of all calls has beside its backend
 */
export function verbatim(
  name: string,
  backend: object,
  transport: 'frames' | 'native' = 'frames',
  route: object = {},
): Subject {
  return {
    name,
    ours: true,
    missing: () => undefined,
    async start(folder, ports) {
      const port = await freePort()
      const list = join(folder, 'endpoints.json')
      const log = join(folder, 'proxy.log')
      const config = join(folder, 'proxy.yaml')
      const setEndpoints = (to: readonly number[]): void => replaceFile(list, JSON.stringify(addressesOf(to)))
      setEndpoints(ports)
      writeFileSync(
        config,
        stringify({
          listeners: [{ address: `127.0.0.1:${port}`, transport }],
          backends: { main: { source: { file: list }, transport, ...backend } },
          routes: [{ backend: 'main', ...route }],
          log: { pretty: false },
        }),
      )
      const serve = `exec "$0" src/cli.ts serve --config "$1" > "$2"`
      const child = new Child({ command: 'sh', args: ['-c', serve, NODE, config, log], core: 0, cwd: THIS_TREE })
      await child.listening(port)
      return { child, port, setEndpoints, records: () => ownRecords(log) }
    },
  }
}

function ownRecords(log: string): Map<string, CallRecord> {
  const records = new Map<string, CallRecord>()
  for (const line of linesOf(log)) {
    if (!line.includes('"msg":"call"')) continue
    const { path, endpoint, reason, cause } = JSON.parse(line)
    records.set(path.split('/').at(-1), { port: portOf(endpoint), reason: [reason, cause].filter(Boolean).join(': ') })
  }
  return records
}

/** It cannot be told another list while it runs. */
export const NGHTTPX: Subject = {
  name: 'nghttpx',
  missing: () => missingOf(NGHTTPX_PROGRAM),
  async start(folder, backends) {
    const port = await freePort()
    const log = join(folder, 'nghttpx.log')
    const args = nghttpxArgs({ backends }, port).filter(arg => !arg.startsWith('--accesslog-file'))
    args.push(`--accesslog-file=${log}`, '--accesslog-format=$request $backend_port')
    const child = new Child({ command: requireCommand(NGHTTPX_PROGRAM), args, core: 0, openFiles: OPEN_FILES })
    await child.listening(port)
    return { child, port, records: () => lineRecords(log, /\/fleet\.Calls\/(\w+) HTTP\/2 (\d+|-)()$/) }
  },
}

/**
 * @param cluster what its cluster has beside its endpoints
 * @param keepalive PINGs on sessions to endpoints
 */
export function envoyWith(name: string, cluster: object, keepalive?: object): Subject {
  return {
    name,
    missing: () => missingOf(ENVOY),
    async start(folder, ports) {
      const port = await freePort()
      const [log, config, lists] = [join(folder, 'envoy.log'), join(folder, 'envoy.yaml'), join(folder, 'lists')]
      mkdirSync(lists)
      const list = join(lists, 'endpoints.yaml')
      const setEndpoints = (to: readonly number[]): void => replaceFile(list, stringify(discovered(to)))
      setEndpoints(ports)
      writeFileSync(config, stringify(dynamic(port, { list, lists, log, cluster, keepalive })))
      const args = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error', '--config-path', config]
      const child = new Child({ command: requireCommand(ENVOY), args, core: 0, openFiles: OPEN_FILES })
      await child.listening(port)
      const line = /\/fleet\.Calls\/(\w+) (?:[\d.]+:(\d+)|-) (\S+)$/
      return { child, port, setEndpoints, records: () => lineRecords(log, line) }
    },
  }
}

function missingOf(program: Program): string | undefined {
  const found = findProgram(program)
  return 'missing' in found ? `${found.missing}: ${found.install}` : undefined
}

function lineRecords(log: string, pattern: RegExp): Map<string, CallRecord> {
  const records = new Map<string, CallRecord>()
  for (const line of linesOf(log)) {
    const [, name, port, reason = ''] = pattern.exec(line) ?? []
    if (name !== undefined) records.set(name, { port: Number(port) || undefined, reason })
  }
  return records
}

const TYPES = 'type.googleapis.com/envoy'

/** The list of endpoints, as Envoy reads it from a file (EDS). */
function discovered(ports: readonly number[]): object {
  const lb_endpoints = ports.map(port_value => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } },
  }))
  const assignment = { '@type': `${TYPES}.config.endpoint.v3.ClusterLoadAssignment`, cluster_name: 'servers' }
  return { resources: [{ ...assignment, endpoints: [{ lb_endpoints }] }] }
}

interface Dynamic {
  readonly list: string
  /** The folder of the list, which is watched. */
  readonly lists: string
  readonly log: string
  readonly cluster: object
  readonly keepalive: object | undefined
}

/** The configuration of the benchmarks, with endpoints from a file, and a log. */
function dynamic(port: number, { list, lists, log, cluster, keepalive }: Dynamic): object {
  const { static_resources } = structuredClone(envoyConfiguration({ backends: [] }, port)) as {
    static_resources: { listeners: Listener[]; clusters: Cluster[] }
  }
  const [listener] = static_resources.listeners
  const { load_assignment: _, ...usual } = static_resources.clusters[0]!
  listener!.filter_chains[0]!.filters[0]!.typed_config.access_log = [
    {
      name: 'envoy.access_loggers.file',
      typed_config: {
        '@type': `${TYPES}.extensions.access_loggers.file.v3.FileAccessLog`,
        path: log,
        log_format: { text_format_source: { inline_string: '%REQ(:PATH)% %UPSTREAM_HOST% %RESPONSE_FLAGS%\n' } },
      },
    },
  ]
  for (const options of Object.values(usual.typed_extension_protocol_options))
    options.explicit_http_config.http2_protocol_options.connection_keepalive = keepalive
  // By itself it sends nothing again; what no endpoint had processed this proxy sends again, too.
  for (const host of listener!.filter_chains[0]!.filters[0]!.typed_config.route_config.virtual_hosts)
    for (const { route } of host.routes)
      route.retry_policy = { retry_on: 'connect-failure,refused-stream', num_retries: 5 }
  const eds_config = { path_config_source: { path: list, watched_directory: { path: lists } } }
  return {
    node: { id: 'faults', cluster: 'faults' },
    static_resources: {
      listeners: [listener],
      clusters: [{ ...usual, type: 'EDS', eds_cluster_config: { eds_config }, ...cluster }],
    },
  }
}

interface Manager {
  access_log?: object[]
  readonly route_config: { readonly virtual_hosts: { readonly routes: { route: { retry_policy?: object } }[] }[] }
}

interface Cluster {
  readonly load_assignment?: object
  readonly typed_extension_protocol_options: Readonly<
    Record<string, { explicit_http_config: { http2_protocol_options: { connection_keepalive?: object | undefined } } }>
  >
}

interface Listener {
  readonly filter_chains: { readonly filters: { readonly typed_config: Manager }[] }[]
}

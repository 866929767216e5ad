/** The options of `grpc-verbatim bench`, with its help. Values are strings as they were given; plan.ts checks them. */
import type { Command } from 'commander'
import {
  BOUNDS,
  type Bound,
  LOAD_GRACE_MS,
  LOAD_TIMES_MAX,
  MESSAGE_BYTES_MAX,
  METADATA_BYTES_MAX,
  OPEN_BYTES_MAX,
  OPEN_CALLS_MAX,
  SLICES,
} from './bounds.ts'

export interface BenchOptions {
  readonly direct?: string
  readonly via?: string
  readonly path?: string
  readonly message?: string
  readonly proto?: readonly string[]
  readonly importPath?: readonly string[]
  readonly metadata?: readonly string[]
  readonly authority?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly serverName?: string
  readonly rate?: string
  readonly concurrency?: string
  readonly connections?: string
  readonly duration?: string
  readonly warmUp?: string
  readonly timeoutMs?: string
  readonly html?: string
  readonly json?: string
}

const MIB = 1_048_576

const EXAMPLES = `
Addresses: host:port or http://host:port (plaintext HTTP/2), https://host[:port] (TLS), unix:/path.
Messages:  FILE or @FILE      a protobuf message as bytes, without the prefix of gRPC
           hex:0a03616263     the same in hexadecimal
           json:{"name":"x"}  protobuf JSON of the request type of --path, with --proto; or json:FILE

Example:
  grpc-verbatim bench --direct 127.0.0.1:50051 --via 127.0.0.1:8080 --path /helloworld.Greeter/SayHello \\
    --proto helloworld.proto --message 'json:{"name":"x"}' --concurrency 10

Bounds:    ${MESSAGE_BYTES_MAX / MIB} MiB a message; ${METADATA_BYTES_MAX / 1_024} KiB of metadata, names and values
           ${OPEN_BYTES_MAX / MIB} MiB of requests at a time, and with --rate ${OPEN_CALLS_MAX.toLocaleString('en')} open calls
           the load ends after ${LOAD_TIMES_MAX} times --duration and ${LOAD_GRACE_MS / 1_000} s for each address, the warm-up not counted

Exit codes: 0 measured; 1 it cannot be measured, or over 1 % of the calls failed or of the responses are missing;
            2 called wrongly; 130 Ctrl-C.`

/** @returns the command itself */
export function describeBench(command: Command): Command {
  return command
    .description(
      `measure one method of your own service, directly and through a proxy in turn, ${SLICES} slices each, and tell the difference`,
    )
    .option('--direct <address>', 'the service itself')
    .option('--via <address>', 'the proxy before it, any proxy; one of the two alone is measured by itself')
    .option('--path <path>', 'the method: /pkg.Service/Method, unary or server-streaming')
    .option('--message <message>', 'the request: FILE, hex:… or json:… (see below); default: an empty message')
    .option('--proto <file>', 'where json: finds the types; may repeat', collect)
    .option('--import-path <dir>', 'where --proto and its imports are looked for; may repeat', collect)
    .option('--metadata <field>', `'name: value', sent with each call; may repeat. Reports show few values`, collect)
    .option('--authority <name>', 'sent as :authority to both; default: each address itself')
    .option('--ca <file>', 'PEM: who signs the certificates of https:// addresses; default: the usual authorities')
    .option('--cert <file>', 'PEM: our own certificate, for mutual TLS; with --key')
    .option('--key <file>', 'PEM: its private key')
    .option('--server-name <name>', 'name that certificates of https:// addresses must have; default: the host')
    .option(
      '--rate <calls/s>',
      `open loop: calls a second, at random times, from ${BOUNDS.rate.least} to ${BOUNDS.rate.most}`,
    )
    .option('--concurrency <calls>', `closed loop: calls at a time${saying(BOUNDS.concurrency)}`)
    .option('--connections <number>', `connections to each address${saying(BOUNDS.connections)}`)
    .option('--duration <seconds>', `measuring, for each address${saying(BOUNDS.duration)}`)
    .option('--warm-up <seconds>', `before, for each address, not counted${saying(BOUNDS.warmUp)}`)
    .option('--timeout-ms <ms>', `deadline of each call, sent as grpc-timeout too${saying(BOUNDS.timeoutMs)}`)
    .option('--html <file>', 'write a page with the curves (needs, in this folder: npm install vega vega-lite)')
    .option('--json <file>', 'write all numbers')
    .addHelpText('after', EXAMPLES)
}

function saying({ least, most, usual }: Bound): string {
  return `, from ${least} to ${most}; default: ${usual}`
}

function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}

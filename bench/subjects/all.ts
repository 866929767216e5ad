/** All subjects, in the order of the report. */
import type { Contender } from './contender.ts'
import { direct } from './direct.ts'
import { envoy } from './envoy.ts'
import { grpcProxy } from './grpc-proxy.ts'
import { haproxy, haproxyTcp } from './haproxy.ts'
import { nghttpx } from './nghttpx.ts'
import { nginx } from './nginx.ts'
import { byHand, grpcJs, http2Proxy, tcpRelay } from './node-program.ts'
import { PAIRS, verbatim } from './verbatim.ts'

/** First no proxy and the floors, then this project, then its peers: in C and C++, in Node, in Go. */
export const CONTENDERS: readonly Contender[] = [
  direct,
  tcpRelay,
  haproxyTcp,
  ...Object.entries(PAIRS).map(([name, transports]) => verbatim(name, transports)),
  nghttpx,
  haproxy,
  nginx,
  envoy,
  byHand,
  http2Proxy,
  grpcJs,
  grpcProxy,
]

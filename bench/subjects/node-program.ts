/** Subjects that are programs of this suite. They run on its Node and get one argument. */
import { fileURLToPath } from 'node:url'
import { Child, freePort, OPEN_FILES } from '../measure/child.ts'
import type { Contender } from './contender.ts'
import { findPackage } from './installed.ts'
import { NODE, nodeVersion } from './node.ts'
import type { Assignment } from './programs/assignment.ts'

export interface NodeProgram {
  readonly name: string
  readonly title: string
  /** The file in programs/. */
  readonly file: string
  /** The npm package that it uses, where it uses one. */
  readonly package?: string
  /** Additions to its assignment. */
  readonly more?: object
}

export function nodeProgram({ name, title, file, package: npmPackage, more }: NodeProgram): Contender {
  const path = fileURLToPath(new URL(`programs/${file}`, import.meta.url))
  return {
    name,
    title,
    find: () => (npmPackage === undefined ? { version: nodeVersion() } : findPackage(npmPackage)),
    async start({ backends, tls }) {
      const port = await freePort()
      const assignment: Assignment = { port, backends, tls, ...more }
      const child = new Child({
        command: NODE,
        args: [path, JSON.stringify(assignment)],
        core: 0,
        openFiles: OPEN_FILES,
      })
      return { child: await child.listening(port), port }
    },
  }
}

export const tcpRelay = nodeProgram({
  name: 'tcp-relay',
  title: 'a plain TCP relay in Node, no HTTP/2 at all: the floor (connections, not calls, go to endpoints in turn)',
  file: 'tcp-relay.ts',
})

export const byHand = nodeProgram({
  name: 'by-hand',
  title: 'the smallest correct pass-through on node:http2',
  file: 'by-hand.ts',
})

export const http2Proxy = nodeProgram({
  name: 'http2-proxy',
  title: 'http2-proxy from npm, with http2-wrapper toward backends',
  file: 'http2-proxy.ts',
  package: 'http2-proxy',
})

export const grpcJs = nodeProgram({
  name: 'grpc-js',
  title: 'a generic pass-through on @grpc/grpc-js',
  file: 'grpc-js.ts',
  package: '@grpc/grpc-js',
})

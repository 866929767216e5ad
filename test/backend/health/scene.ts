import type { Endpoint } from '../../../src/backend/endpoint.ts'
import type { HealthSettings } from '../../../src/backend/health/settings.ts'
import { block, type FakeStream } from '../../support/fake-transport.ts'
import { BackendRig, type RigOptions } from '../rig.ts'

export const INTERVAL_MS = 1_000
export const HEALTH: HealthSettings = {
  kind: 'grpc',
  intervalMs: INTERVAL_MS,
  timeoutMs: 100,
  unhealthyThreshold: 2,
  healthyThreshold: 2,
}
export const RESPONSE = block({ ':status': '200', 'content-type': 'application/grpc' })
export const CLEAN = { kind: 'clean' } as const

/** Bytes of a HealthCheckResponse as latin1, with their prefix. */
export const says = (status: number) => `\0\0\0\0\x02\x08${String.fromCharCode(status)}`

export class Scene {
  readonly rig: BackendRig
  readonly log: string[] = []

  constructor(health: Partial<HealthSettings> = {}, options: RigOptions = {}) {
    this.rig = new BackendRig({ endpoints: 'ab', health: { ...HEALTH, ...health }, ...options })
  }

  /** The streams that ask for health, at one endpoint. */
  checks(endpoint = 'a'): FakeStream[] {
    return this.rig.transport
      .to(endpoint)
      .flatMap(({ opened }) => opened)
      .filter(
        ({ sent }) => sent[0]?.kind === 'headers' && sent[0].block.some(({ value }) => /Health\/Check/.test(value)),
      )
  }

  /** The last one, if it is not over. */
  open(endpoint = 'a'): FakeStream | undefined {
    const last = this.checks(endpoint).at(-1)
    return last?.over === false ? last : undefined
  }

  /** Time passes, and all that is dialled becomes ready and all that is asked answers. */
  pass(ms: number, answers: Readonly<Record<string, (stream: FakeStream) => void>> = {}): void {
    for (let at = 0; at < ms; at += 5) {
      this.rig.clock.advance(5)
      for (const session of this.rig.transport.sessions) if (!session.isReady && session.destroys === 0) session.ready()
      for (const { address } of this.rig.backend.endpoints) {
        const { name } = address
        const stream = this.open(name)
        if (stream !== undefined) (answers[name] ?? serving)(stream)
      }
    }
  }

  at(name: string): Endpoint {
    return this.rig.backend.endpoints.find(({ address }) => address.name === name)!
  }

  /** Why it is barred. */
  bar(endpoint = 'a'): string | undefined {
    return this.at(endpoint).bars.get('health')
  }
}

export function answering(body: string, trailers: Readonly<Record<string, string>> = { 'grpc-status': '0' }) {
  return (stream: FakeStream) => {
    stream.headers(RESPONSE)
    if (body !== '') stream.data(body)
    stream.trailers(block(trailers))
    stream.close(CLEAN)
  }
}

export const serving = answering(says(1))
export const notServing = answering(says(2))
export const failing = answering('', { 'grpc-status': '14', 'grpc-message': 'busy' })
export const silent = () => {}

/** Calls with a tracer, played: what backends are told, and the spans. */
import type { CallTrace } from '../../src/call/trace.ts'
import { KnownMethods } from '../../src/observe/known-methods.ts'
import { Propagation, type TraceFormat } from '../../src/observe/propagation.ts'
import type { SampleRules } from '../../src/observe/sampling.ts'
import { Tracer } from '../../src/observe/tracer.ts'
import { WallClock } from '../../src/observe/wall-clock.ts'
import { CallRig, PATH, RESPONSE, type RigOptions, request, TRAILERS } from '../call/rig.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { block, type FakeStream } from '../support/fake-transport.ts'

export const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
export const CLIENT_SPAN = '00f067aa0ba902b7'
export const SAMPLED = `00-${TRACE}-${CLIENT_SPAN}-01`
export const NOT_SAMPLED = `00-${TRACE}-${CLIENT_SPAN}-00`
export const EPOCH_MS = 1_800_000_000_000
export const ALL: SampleRules = { parent: true, ratio: 1, errors: false }
export const NONE: SampleRules = { parent: true, ratio: 0, errors: false }

export interface SpanJson {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceState?: string
  readonly flags: number
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { key: string; value: { stringValue?: string; intValue?: string } }[]
  readonly status: { code?: number; message?: string }
}

interface Options {
  readonly sample?: SampleRules
  readonly formats?: readonly TraceFormat[]
  readonly methods?: readonly string[]
  readonly random?: () => number
  readonly director?: RigOptions['director']
}

export class TraceRig {
  readonly spans: SpanJson[] = []
  readonly traces: (CallTrace | undefined)[] = []
  readonly rig: CallRig

  constructor({ sample = ALL, formats = ['w3c'], methods = [PATH], random, director }: Options = {}) {
    let chance = 1
    const tracer = new Tracer({
      propagation: new Propagation(formats),
      sample,
      clock: { now: () => this.rig.clock.now(), after: () => ({ cancel() {} }) },
      wallClock: new WallClock(new FakeClock(), () => EPOCH_MS),
      // Each bit pattern once, so that ids differ.
      random: random ?? (() => chance++ / 1_000),
      methods: new KnownMethods(methods),
      sink: spans => this.spans.push(...spans.map(span => JSON.parse(span))),
    })
    this.rig = new CallRig({
      ...(director && { director }),
      observer: {
        trace: tracer.trace,
        onEnd: record => {
          tracer.onEnd(record)
          this.traces.push(record.trace)
          this.rig.records.push(record)
        },
      },
    })
  }

  /** A call that ends with OK. */
  call(headers: Readonly<Record<string, string>> | readonly (readonly [string, string])[] = {}): FakeStream {
    const fields = Array.isArray(headers)
      ? [...request(), ...block(headers)]
      : request(headers as Record<string, string>)
    const { down } = this.rig.open(fields, true)
    const { up } = this.rig
    up.headers(RESPONSE)
    up.trailers(TRAILERS)
    up.settle()
    down.settle()
    return up
  }
}

/** What the backend was told. */
export function told(up: FakeStream): Record<string, string[]> {
  const first = up.sent[0]
  if (first?.kind !== 'headers') throw new Error('no headers')
  const of: Record<string, string[]> = {}
  for (const { name, value } of first.block) {
    if (/^trace|^b3$|^x-b3/.test(name)) of[name] = [...(of[name] ?? []), value]
  }
  return of
}

export const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, '0')

export const attributesOf = (span: SpanJson) =>
  Object.fromEntries(span.attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]))

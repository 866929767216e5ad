/**
 * The OpenTelemetry of the program that the proxy is part of: `@opentelemetry/api` keeps what its user has registered under a
 * symbol that the whole process shares, so that it is found without a dependency.
 */
const API = Symbol.for('opentelemetry.js.api.1')

/** What of it is used; `TracerProvider`, `ContextManager` and `TextMapPropagator` there. */
export interface HostTelemetry {
  readonly trace?: HostTracerProvider
  readonly context?: { active(): HostContext }
  readonly propagation?: {
    extract(context: HostContext, carrier: unknown, getter: HostGetter): HostContext
    inject(context: HostContext, carrier: unknown, setter: HostSetter): void
    fields(): string[]
  }
}

export interface HostTracerProvider {
  getTracer(name: string, version?: string): HostTracer
}

export interface HostTracer {
  startSpan(name: string, options: HostSpanOptions, context: HostContext): HostSpan
}

export interface HostSpanOptions {
  readonly kind: number
  readonly attributes?: Readonly<Record<string, string | number | undefined>>
  readonly startTime?: number
}

export interface HostSpan {
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number }
  isRecording(): boolean
  updateName(name: string): unknown
  setAttributes(attributes: Readonly<Record<string, string | number | undefined>>): unknown
  setStatus(status: { readonly code: number; readonly message?: string }): unknown
  end(endTime?: number): void
}

export interface HostContext {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): HostContext
  deleteValue(key: symbol): HostContext
}

export interface HostGetter {
  keys(carrier: unknown): string[]
  get(carrier: unknown, key: string): undefined | string | string[]
}

export interface HostSetter {
  set(carrier: unknown, key: string, value: string): void
}

/** @returns undefined where nobody has registered a tracer */
export function hostTelemetry(): HostTelemetry | undefined {
  const registered = (globalThis as Record<symbol, unknown>)[API] as HostTelemetry | undefined
  return registered?.trace === undefined ? undefined : registered
}

export function hasHostTelemetry(): boolean {
  return hostTelemetry() !== undefined
}

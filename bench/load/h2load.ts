/** The closed loop of `h2load`, and what it reports. */
import { Child } from '../measure/child.ts'

export interface ClosedLoad {
  readonly clients: number
  readonly streams: number
  /** Bits of the client's stream and connection windows, where h2load's default of 30 does not fit. */
  readonly windowBits?: readonly [stream: number, connection: number]
}

export interface LoadResult {
  readonly calls: number
  readonly seconds: number
}

/** The request, and what each call must bring. */
export interface Request {
  readonly url: string
  /** File with the request's body. */
  readonly bodyFile: string
  readonly responseBytes: number
}

export interface H2loadReport {
  readonly seconds: number
  readonly total: number
  readonly succeeded: number
  readonly ok: number
  readonly dataBytes: number
}

/** @throws Error when a call failed, was not answered with 2xx, or brought the wrong number of bytes */
export async function h2load(request: Request, load: ClosedLoad, calls: number): Promise<LoadResult> {
  const [stream, connection] = load.windowBits ?? [30, 30]
  const child = new Child({
    command: 'h2load',
    args: [
      ...['-n', String(calls), '-c', String(load.clients), '-m', String(load.streams)],
      ...['-w', String(stream), '-W', String(connection), '-d', request.bodyFile],
      ...['-H', 'content-type: application/grpc', '-H', 'te: trailers', request.url],
    ],
    core: 1,
  })
  const report = parseH2load(await child.output(120_000))
  const { total, succeeded, ok, dataBytes } = report
  if (total !== calls || succeeded !== calls || ok !== calls) {
    throw new Error(`of ${calls} calls ${succeeded} succeeded, ${ok} with 2xx`)
  }
  const expected = calls * request.responseBytes
  if (dataBytes !== expected) throw new Error(`${dataBytes} bytes of data came instead of ${expected}`)
  return { calls, seconds: report.seconds }
}

/** @throws Error when the text is not h2load's report */
export function parseH2load(text: string): H2loadReport {
  const find = (pattern: RegExp): RegExpExecArray => {
    const match = pattern.exec(text)
    if (match === null) throw new Error(`h2load said: ${text.slice(-400)}`)
    return match
  }
  const duration = find(/^finished in ([\d.]+)(us|ms|s|m)\b/m)
  const requests = find(/^requests: (\d+) total, .* (\d+) succeeded/m)
  const codes = find(/^status codes: (\d+) 2xx/m)
  const traffic = find(/\((\d+)\) data$/m)
  const scale = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }[duration[2] as 'us' | 'ms' | 's' | 'm']
  return {
    seconds: Number(duration[1]) * scale,
    total: Number(requests[1]),
    succeeded: Number(requests[2]),
    ok: Number(codes[1]),
    dataBytes: Number(traffic[1]),
  }
}

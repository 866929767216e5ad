/** A collector that takes metrics as OTLP in JSON, and reads them back into what `/metrics` says. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Scope } from './teardown.ts'

interface KeyValueJson {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: string }
}

export interface PointJson {
  readonly attributes: readonly KeyValueJson[]
  readonly startTimeUnixNano?: string
  readonly timeUnixNano: string
  readonly asDouble?: number
  readonly count?: string
  readonly sum?: number
  readonly explicitBounds?: readonly number[]
  readonly bucketCounts?: readonly string[]
}

export interface MetricJson {
  readonly name: string
  readonly description: string
  readonly unit?: string
  readonly sum?: { readonly isMonotonic: boolean; readonly aggregationTemporality: number; dataPoints: PointJson[] }
  readonly gauge?: { dataPoints: PointJson[] }
  readonly histogram?: { readonly aggregationTemporality: number; dataPoints: PointJson[] }
}

export interface MetricsRequest {
  readonly path: string | undefined
  readonly token: string | undefined
  readonly body: string
}

export interface MetricsCollector {
  readonly url: string
  readonly requests: MetricsRequest[]
  /** It answers nothing from now on. */
  freeze(): void
}

export async function metricsCollector(t: Scope): Promise<MetricsCollector> {
  const requests: MetricsRequest[] = []
  let isFrozen = false
  const server = createServer(({ url: path, headers: { authorization: token } }, response) => {
    const { req } = response
    let body = ''
    req.setEncoding('utf8').on('data', part => {
      body += part
    })
    req.on('end', () => {
      requests.push({ path, token, body })
      if (!isFrozen) response.end('{}')
    })
  })
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const freeze = () => {
    isFrozen = true
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, freeze }
}

export function metricsIn(body: string): MetricJson[] {
  return JSON.parse(body).resourceMetrics[0].scopeMetrics[0].metrics
}

export function resourceIn(body: string): Record<string, string> {
  const { attributes } = JSON.parse(body).resourceMetrics[0].resource
  return attributesOf(attributes)
}

export function attributesOf(attributes: readonly KeyValueJson[]): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]!]))
}

/** Each line as Prometheus has it, by a way of its own: what is in front of the value, and the value. */
export function linesIn(body: string): Map<string, number> {
  const lines = new Map<string, number>()
  for (const { name, sum, gauge, histogram } of metricsIn(body)) {
    for (const point of sum?.dataPoints ?? []) lines.set(lineOf(`${name}_total`, point), point.asDouble!)
    for (const point of gauge?.dataPoints ?? []) lines.set(lineOf(name, point), point.asDouble!)
    for (const point of histogram?.dataPoints ?? []) {
      let upTo = 0
      for (const [i, count] of point.bucketCounts!.entries()) {
        upTo += Number(count)
        lines.set(lineOf(`${name}_bucket`, point, { le: String(point.explicitBounds![i] ?? '+Inf') }), upTo)
      }
      lines.set(lineOf(`${name}_sum`, point), point.sum!)
      lines.set(lineOf(`${name}_count`, point), Number(point.count))
    }
  }
  return lines
}

function lineOf(name: string, { attributes }: PointJson, more: Record<string, string> = {}): string {
  const labels = Object.entries({ ...attributesOf(attributes), ...more }).map(([label, text]) => `${label}="${text}"`)
  return labels.length === 0 ? name : `${name}{${labels.join(',')}}`
}

/** The same of the text of `/metrics`. */
export function linesOfText(text: string): Map<string, number> {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

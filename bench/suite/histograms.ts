/** Latency histograms of several rounds as one. */
import { decodeFromCompressedBase64, encodeIntoCompressedBase64 } from 'hdr-histogram-js'

/** @param histograms as load/shape.ts says @returns undefined for none @throws Error for what is no histogram */
export function mergeHistograms(histograms: readonly string[]): string | undefined {
  const [first, ...others] = histograms
  if (first === undefined) return undefined
  const sum = decodeFromCompressedBase64(first)
  for (const other of others) sum.add(decodeFromCompressedBase64(other))
  return encodeIntoCompressedBase64(sum)
}

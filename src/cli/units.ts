/** Numbers of an overview in few columns. */
const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

export function count(number: number): string {
  return WHOLE.format(number)
}

export function rate(number: number): string {
  if (number === 0) return '0'
  if (number < 0.05) return '<0.1'
  return number < 100 ? number.toFixed(1) : WHOLE.format(number)
}

export function percent(part: number): string {
  return `${part > 0 && part < 0.1 ? (part * 100).toFixed(1) : Math.round(part * 100)} %`
}

export function duration(ms: number): string {
  if (ms < 10) return `${Number(ms.toFixed(ms < 1 ? 2 : 1))} ms`
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${ms < 10_000 ? (ms / 1_000).toFixed(1) : seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h ${minutes % 60}m` : `${Math.floor(hours / 24)} days`
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function bytes(number: number): string {
  let [value, unit] = [number, 0]
  for (; value >= 1_000 && unit < UNITS.length - 1; unit++) value /= 1_024
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`
}

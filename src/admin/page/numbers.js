/** Numbers as people read them. */
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const tenth = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 })
const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export function count(number) {
  return whole.format(number)
}

/** Of something a second: no digit that would only flicker. */
export function rate(number) {
  if (number === 0) return '0'
  if (number < 0.05) return '<0.1'
  return number < 100 ? tenth.format(number) : whole.format(number)
}

export function percent(part) {
  if (part > 0 && part < 0.001) return '<0.1 %'
  return `${part < 0.1 && part > 0 ? tenth.format(part * 100) : whole.format(part * 100)} %`
}

export function milliseconds(ms) {
  if (ms === 0) return '0 ms'
  if (ms < 10) return `${ms < 1 ? (Math.round(ms * 100) / 100).toFixed(2) : tenth.format(ms)} ms`
  return ms < 1_000 ? `${whole.format(ms)} ms` : duration(ms)
}

export function duration(ms) {
  const seconds = ms / 1_000
  if (seconds < 1) return `${whole.format(ms)} ms`
  if (seconds < 60) return `${seconds < 10 ? tenth.format(seconds) : whole.format(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${String(minutes % 60).padStart(2, '0')} min` : `${Math.floor(hours / 24)} days`
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function bytes(number) {
  let [value, unit] = [number, 0]
  for (; value >= 1_000 && unit < UNITS.length - 1; unit++) value /= 1_024
  return `${unit > 0 && value < 10 ? tenth.format(value) : whole.format(value)} ${UNITS[unit]}`
}

export function clock(atMs) {
  return time.format(atMs)
}

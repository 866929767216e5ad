/** A report as one page that needs nothing beside itself: no script, no style sheet, no network. */
import type { Report } from './report.ts'
import { headOf, tableOf } from './table.ts'

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
  h1 { font-size: 1.4rem; overflow-wrap: anywhere }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }
  th, td { padding: .25rem .9rem; border-bottom: 1px solid #ddd; text-align: right; white-space: pre }
  th:first-child, td:first-child, th.text, td.text { text-align: left }
  pre { background: #f4f4f4; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere }
  svg { max-width: 100%; height: auto }
  footer { color: #666; font-size: .9rem }`

/** @param svg what `curves` was drawn to */
export function pageOf(report: Report, svg: string): string {
  const { head, rows, notes } = tableOf(report)
  const [title = '', ...about] = headOf(report)
  const line = (cells: readonly string[], tag: 'td' | 'th'): string => {
    const marked = cells.map(
      (cell, i) => `<${tag}${i > report.ways.length ? ' class="text"' : ''}>${escaped(cell)}</${tag}>`,
    )
    return `<tr>${marked.join('')}</tr>`
  }
  const { cpu, cores, system, node } = report.machine
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}: what a proxy adds</title>
<style>${STYLE}
</style>
<h1>${escaped(title)}</h1>
<p>${about.map(escaped).join('<br>\n')}</p>
${svg}
<table>
<thead>${line(head, 'th')}</thead>
<tbody>
${rows.map(cells => line(cells, 'td')).join('\n')}
</tbody>
</table>
${notes.map(note => `<p>${escaped(note)}</p>`).join('\n')}
<pre>${escaped(report.command)}</pre>
<footer>${escaped(`${report.date}; ${cpu}, ${cores} cores, ${system}, Node ${node}`)}</footer>
</html>
`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** Pages that need nothing else: no script, no style sheet, no network. */

/** Light or dark as the reader's system is; charts are on white in both. */
const STYLE = `
:root { color-scheme: light dark; --ink: #222; --pale: #666; --rule: #ddd; --back: #fff; --stripe: #f6f7f9;
  --better: #0060b0; --worse: #b00020; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --pale: #a0a0a0; --rule: #3a3a3a; --back: #16181b; --stripe: #1f2226;
    --better: #7fbcf0; --worse: #ff8a8a; }
}
body { margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }
main { max-width: 1100px; margin: 0 auto; padding: 24px 20px 80px; }
h1 { font-size: 26px; margin: 0 0 12px; }
h2 { font-size: 20px; margin: 40px 0 8px; }
h3 { font-size: 16px; margin: 28px 0 0; }
p { margin: 4px 0 10px; max-width: 860px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0 0 16px; }
dt { color: var(--pale); }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px/1.4 ui-monospace, "Liberation Mono", monospace; background: var(--stripe); padding: 2px 5px;
  border-radius: 3px; }
figure { margin: 16px 0; background: #fff; border: 1px solid var(--rule); border-radius: 6px; overflow-x: auto; }
figure svg { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.scroll { overflow-x: auto; margin: 6px 0 14px; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 10px; text-align: right; vertical-align: top; white-space: nowrap; }
thead th { font-weight: 600; border-bottom: 1px solid var(--rule); vertical-align: bottom; }
tbody th, thead th:first-child { text-align: left; font-weight: 600; position: sticky; left: 0; background: var(--back); }
tbody tr:nth-child(even) :is(td, th) { background: var(--stripe); }
.text, thead th.text { text-align: left; white-space: normal; }
small { display: block; font-size: 11px; line-height: 1.3; font-weight: 400; color: var(--pale); }
.better { color: var(--better); }
.worse { color: var(--worse); }
summary { cursor: pointer; color: var(--pale); margin: 4px 0; }
@media print { details > * { display: block; } }
`

/** @param body HTML */
export function htmlPage(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeText(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`
}

/** @param head cells of the first row, as HTML @param rows whole rows, as HTML */
export function htmlTable(head: readonly string[], rows: readonly string[]): string {
  return `<div class="scroll"><table><thead><tr>${head.join('')}</tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>`
}

/** For text and attributes of HTML and SVG. */
export function escapeText(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replace(/[&<>"']/g, character => entities[character]!)
}

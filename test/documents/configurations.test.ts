/** Each configuration in a document, and each example, is one that the proxy takes. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { parseConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/config/problems.ts'

const ROOT = path.join(import.meta.dirname, '../..')
const GUIDES = readdirSync(path.join(ROOT, 'docs')).filter(name => name.endsWith('.md'))
const PAGES = ['README.md', ...GUIDES.map(name => `docs/${name}`)]

/** Files of certificates and folders of pages are not there. */
const NO_FILE = /^(cannot (read .*|be read)|the folder .* cannot be used): no such file$/

function problemsOf(yaml: string): string[] {
  try {
    return parseConfig(yaml, 'page.yaml').warnings.map(({ message }) => message)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ message }) => message)
  }
}

for (const page of PAGES) {
  for (const [, yaml] of readFileSync(path.join(ROOT, page), 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```$/gm)) {
    t.test(`${page}: ${yaml!.split('\n', 2).join(' ')}`, async t => {
      t.same(
        problemsOf(yaml!).filter(message => !NO_FILE.test(message)),
        [],
      )
    })
  }
}

t.test('a wrong one is found', async t => {
  t.match(problemsOf('listeners: [{ address: 0.0.0.0:80 }]\nbackend: {}\n').join(), /unknown key/)
})

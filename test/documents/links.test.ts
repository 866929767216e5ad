/** What the documents point at is there: files, headings, npm scripts. A newcomer finds the way from each page. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'

const ROOT = path.join(import.meta.dirname, '../..')
const SCRIPTS: Record<string, string> = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).scripts
const NEXT = '\n## Where to go next\n'

const pagesIn = (folder: string): string[] =>
  readdirSync(path.join(ROOT, folder))
    .filter(name => name.endsWith('.md'))
    .map(name => path.posix.join(folder, name))

const GUIDES = pagesIn('docs')
const PAGES = [...pagesIn('.'), ...GUIDES, ...pagesIn('examples'), 'src/README.md', 'bench/README.md']

const textOf = (page: string): string => readFileSync(path.join(ROOT, page), 'utf8')

/** Without what is code: there brackets are no links, and `#` begins no heading. */
function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, code => code.replace(/[[\]()#]/g, '.'))
}

/** The names that GitHub gives to a page's headings. */
function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>()
  const withoutBlocks = textOf(page).replace(/^```[\s\S]*?^```$/gm, '')
  for (const [, heading] of withoutBlocks.matchAll(/^#{1,6} (.+)$/gm)) {
    const plain = heading!.toLowerCase().replace(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, '')
    const name = plain.replaceAll(' ', '-')
    let anchor = name
    for (let i = 1; anchors.has(anchor); i++) anchor = `${name}-${i}`
    anchors.add(anchor)
  }
  return anchors
}

const linksOf = (page: string): string[] =>
  [...prose(textOf(page)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter(target => !/^[a-z]+:/.test(target))

function whatIsMissing(page: string, link: string): string | undefined {
  const [file = '', anchor] = link.split('#')
  const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file)
  if (!existsSync(path.join(ROOT, target))) return `${page}: ${link}: there is no such file`
  if (anchor === undefined || anchorsOf(target).has(anchor)) return undefined
  return `${page}: ${link}: ${target} has no such heading`
}

t.test('each link leads to a file and a heading that are there', async t => {
  const missing = PAGES.flatMap(page => linksOf(page).map(link => whatIsMissing(page, link)))
  t.ok(missing.length > 50, `${missing.length} links`)
  t.same(
    missing.filter(problem => problem !== undefined),
    [],
  )
})

t.test('a wrong link is found', async t => {
  t.match(whatIsMissing('README.md', 'docs/nothing.md'), /no such file/)
  t.match(whatIsMissing('docs/abuse.md', 'embed.md#nothing'), /no such heading/)
  t.match(whatIsMissing('docs/abuse.md', '#nothing'), /no such heading/)
  t.equal(whatIsMissing('README.md', 'docs/configuration.md#what-a-route-matches'), undefined)
})

t.test('each npm script that a document names is there', async t => {
  const unknown = PAGES.flatMap(page =>
    [...textOf(page).matchAll(/npm run (?:--silent )?([a-z][\w:]*)/g)]
      .map(([, script]) => script!)
      .filter(script => SCRIPTS[script] === undefined)
      .map(script => `${page}: ${script}`),
  )
  t.same(unknown, [])
})

t.test('each file that a document names is there', async t => {
  const missing = PAGES.flatMap(page =>
    [...textOf(page).matchAll(/`(?:node )?((?:src|test|bench|docs|examples|fixtures)\/[\w./-]*\w\/?)`/g)]
      .map(([, file]) => file!)
      .filter(file => !existsSync(path.join(ROOT, file)))
      .map(file => `${page}: ${file}`),
  )
  t.same(missing, [])
})

t.test('the map of the source names each of its files once, and no other', async t => {
  const sections = textOf('src/README.md').split('\n## The rooms\n')[1]!.split('\n### ').slice(1)
  const named = sections.flatMap(section => {
    const [room] = section.split('\n', 1)
    return [...section.matchAll(/^\| `([^`]+\.ts)` \|/gm)].map(([, file]) => `${room}/${file}`)
  })
  const files = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .map(file => file.replaceAll(path.sep, '/'))
    .filter(file => file.endsWith('.ts') && file.includes('/'))
  t.same(named.toSorted(), files.toSorted(), 'a file that is new, moved or gone: change src/README.md')
})

t.test('README is short, begins with the two commands, and leads to each page', async t => {
  const readme = textOf('README.md')
  t.ok(readme.split('\n').length < 200, 'under 200 lines')
  const [start, suite] = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, commands]) => commands)
  t.equal(start, 'npm ci && npm start\n')
  t.equal(suite, 'npm ci && npm test\n')
  const links = new Set(linksOf('README.md').map(link => link.split('#')[0]))
  t.same(
    GUIDES.filter(page => !links.has(page)),
    [],
  )
})

t.test('each page says where to go next', async t => {
  for (const page of GUIDES) {
    const [, next = ''] = textOf(page).split(NEXT)
    t.match(next, /\]\([^)]+\.md/, page)
    t.notMatch(next, /^#/m, `${page}: it is the last section`)
  }
})

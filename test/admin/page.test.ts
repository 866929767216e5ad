/** The live page in a real browser: what an operator sees, and what strangers can do to it. */
import { type Browser, chromium as chromiumOf, type Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { requestFields } from '../contract/rig.ts'
import { chromiumPath, IN_CONTAINER } from '../support/chromium.ts'
import { PATIENCE_MS } from '../support/inbox.ts'
import { RawClient } from '../support/raw-client.ts'
import { RawServer } from '../support/raw-server.ts'
import { wholeOnly } from '../support/whole.ts'
import { load, scene } from './page-scene.ts'

const executablePath = chromiumPath()
const slow = wholeOnly('a browser takes some seconds to start').skip
const skip = executablePath === undefined ? 'there is no Chromium on this machine (Debian: apt install chromium)' : slow

const SIZES = [360, 768, 1440]
const THEMES = ['light', 'dark'] as const

interface Seen {
  readonly page: Page
  /** What the browser complained of, and what it asked somebody else for. */
  readonly trouble: string[]
}

let browser: Browser | undefined
t.teardown(() => browser?.close())

async function look(t: Test, url: string, width = 1440, colorScheme: 'light' | 'dark' = 'light'): Promise<Seen> {
  browser ??= await chromiumOf.launch({ executablePath: executablePath!, args: IN_CONTAINER })
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
  t.teardown(() => context.close())
  const page = await context.newPage()
  const trouble: string[] = []
  page.on('console', message => trouble.push(`console: ${message.text()}`))
  page.on('pageerror', error => trouble.push(`error: ${error.message}`))
  page.on('dialog', dialog => trouble.push(`dialog: ${dialog.message()}`))
  page.on('request', request => {
    if (!request.url().startsWith(url)) trouble.push(`request: ${request.url()}`)
  })
  await page.goto(url)
  return { page, trouble }
}

/** `waitForFunction` would need `eval`, which the page's policy forbids. */
async function comes(page: Page, holds: string): Promise<void> {
  const patienceEnds = Date.now() + PATIENCE_MS
  while (!(await page.evaluate<boolean>(holds))) {
    if (Date.now() > patienceEnds) throw new Error(`it did not come to pass: ${holds}`)
    await page.waitForTimeout(20)
  }
}

/** How many calls have ended in all, as the page says. */
const TOTAL =
  "Number((/([0-9,]+) in all/.exec(document.querySelector('#charts').textContent) ?? [])[1]?.replaceAll(',', ''))"

t.test('under load, at three sizes and in both themes', { skip }, async t => {
  const here = await scene(t)
  load(t, here.address)
  const { page, trouble } = await look(t, here.url)
  await comes(page, `${TOTAL} > 0`)
  for (const width of SIZES) {
    const before = await page.evaluate<number>(TOTAL)
    for (const colorScheme of THEMES) {
      const name = `${width} ${colorScheme}`
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme })
      await comes(page, `document.documentElement.scrollWidth <= ${width}`)
      t.pass(`${name}: nothing is beyond the edge`)
      const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor')
      t.equal(
        ground,
        colorScheme === 'light' ? 'rgb(246, 246, 243)' : 'rgb(15, 18, 21)',
        `${name}: as the system has it`,
      )
    }
    await comes(page, `${TOTAL} > ${before}`)
    t.pass(`${width}: the numbers move`)
  }
  t.equal(await page.textContent('#ready'), 'Ready for calls')
  t.equal(await page.textContent('#feed-text'), 'Live')
  t.match((await page.getAttribute('.chart', 'aria-label')) ?? '', /Calls a second, the last two minutes: now ended/)
  t.same(trouble, [], 'no complaint, and no request to anybody else')
})

t.test('a backend that is down, and an endpoint that goes', { skip }, async t => {
  const here = await scene(t)
  load(t, here.address)
  const { page, trouble } = await look(t, here.url)
  await page.waitForSelector('.backend[data-state="down"] tr[data-state="down"]')
  t.match(
    await page.textContent('.backend[data-state="down"]'),
    /billing[\s\S]*0 of 2 usable[\s\S]*failing[\s\S]*ECONNREFUSED/,
  )
  await comes(page, `document.querySelectorAll('.backend:first-child tr[data-state="up"]').length === 3`)
  t.match(await page.textContent('#backends-note'), '2, of which 1 is down')
  await here.stopServer()
  await comes(page, `document.querySelectorAll('.backend:first-child tr[data-state="down"]').length === 2`)
  t.match(await page.textContent('.backend:first-child'), /2 of 4 usable/)
  await page.waitForSelector('#failures td:has-text("UNAVAILABLE")')
  t.match(await page.textContent('#failures'), /no endpoint of the backend can be reached/)
  t.match(await page.textContent('#methods'), /NOT_FOUND \d/)
  t.match(await page.textContent('#calls'), /the backend's answer/)
  t.same(trouble, [])
})

t.test('texts of clients and backends are texts', { skip }, async t => {
  const hostile = '<img src=x onerror="document.title=1"><script>alert(1)</script>'
  const path = '/<img/src=x/onerror=alert(1)>/x'
  const backend = await RawServer.listen(t)
  const here = await scene(t, { backends: { main: { endpoints: [backend.url] } }, routes: [] })
  const client = await RawClient.connect(t, Number(here.address.split(':').at(-1)))
  const { page, trouble } = await look(t, here.url)
  // A path that no gRPC client sends, a status, and what a backend says of its end.
  client.request(requestFields([], path), { endStream: true })
  client.request(requestFields([['x-name', hostile]]), { endStream: true })
  const { connection, streamId } = await backend.request()
  connection.headers(
    streamId,
    [
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['grpc-status', '5'],
      ['grpc-message', encodeURIComponent(hostile)],
    ],
    { endStream: true },
  )
  connection.goaway(streamId, 0, hostile)
  await page.waitForSelector('#failures td:has-text("NOT_FOUND")')
  await page.waitForSelector('#failures td:has-text("onerror=alert")')
  await page.waitForSelector('#backends td:has-text("GOAWAY")')
  t.match(await page.textContent('#failures'), '<script>alert(1)</script>', 'they are shown as they are')
  t.equal(await page.locator('main img, main script').count(), 0)
  t.equal(await page.title(), `${new URL(here.url).host} · grpc-verbatim`)
  t.same(trouble, [])
})

t.test('drain and the level of the log ask first', { skip }, async t => {
  const here = await scene(t)
  load(t, here.address, 1)
  const { page } = await look(t, here.url)
  await page.waitForSelector('html[data-feed="live"]')
  await page.click('#log-level')
  await page.selectOption('#level', 'debug')
  await page.keyboard.press('Escape')
  t.equal(await page.textContent('#log-level-now'), 'info', 'whoever leaves the question changes nothing')
  await page.click('#log-level')
  await page.selectOption('#level', 'debug')
  await page.click('#ask-log-level .main')
  await page.waitForSelector('#log-level.unusual b:has-text("debug")')
  t.match(await page.textContent('#answer'), /The level is debug for 600000 ms, then info again/)

  await page.click('#drain')
  t.match(await page.textContent('#ask-drain'), /Drain this proxy\?[\s\S]*calls are in flight/)
  t.equal(
    await page.evaluate('document.activeElement.textContent'),
    'Keep it running',
    'what harms nothing comes first',
  )
  await page.keyboard.press('Enter')
  await page.waitForSelector('#ask-drain', { state: 'hidden' })
  t.notOk(here.drained())
  await page.click('#drain')
  await page.click('#ask-drain .danger')
  await page.waitForSelector('#ready[data-state="not-ready"]:has-text("It is draining")')
  t.ok(here.drained())
  await here.proxy.close()
  await page.waitForSelector('html[data-feed="lost"] #notice:has-text("It drained and has ended")', { timeout: 15_000 })
})

/** What has the focus, and whether that is seen at it or beside it, as at the words of a hidden radio button. */
const FOCUSED = `(() => {
  const at = document.activeElement
  if (at === document.body) return 'the end'
  const seen = [at, ...at.parentElement.children].some(node => getComputedStyle(node).outlineStyle !== 'none')
  return (at.id || at.value || at.getAttribute('aria-label') || at.className) + (seen ? '' : ' unseen')
})()`

t.test('by the keyboard alone: everything is reached, and it is seen where one is', { skip }, async t => {
  const here = await scene(t)
  load(t, here.address, 2)
  const { page, trouble } = await look(t, here.url, 1440, 'dark')
  await page.waitForSelector('.backend tr[data-state="up"]')
  await comes(page, `document.querySelectorAll('.chart polyline').length > 2`)
  const reached: string[] = []
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press('Tab')
    reached.push(await page.evaluate<string>(FOCUSED))
    if (reached.at(-1)!.startsWith('Latency')) await page.keyboard.press('ArrowLeft')
  }
  const order = [
    'skip',
    'log-level',
    'drain',
    'auto',
    'Calls a second',
    'Latency',
    'Endpoints of greeter',
    'Methods',
    'Latest failures',
  ]
  const places = order.map(name => reached.findIndex(each => each.startsWith(name)))
  t.notOk(places.includes(-1), reached.join(' | '))
  t.same(
    places,
    [...places].sort((a, b) => a - b),
    'in the order in which they are read',
  )
  t.same(
    reached.filter(each => each.endsWith(' unseen')),
    [],
  )
  await page.locator('.chart').nth(1).focus()
  await page.keyboard.press('ArrowLeft')
  t.match(await page.locator('.reading').nth(1).textContent(), /\d\d:\d\d:\d\d +p99 /)
  await page.getByRole('radio', { name: 'Auto' }).focus()
  await page.keyboard.press('ArrowRight')
  t.equal(await page.evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(246, 246, 243)', 'light')
  t.same(trouble, [])
})

t.test('with a token the page asks for it, and keeps it for the tab only', { skip }, async t => {
  const token = 'a-token-that-nobody-guesses'
  const here = await scene(t, { admin: { address: '127.0.0.1:0', token } })
  const { page } = await look(t, here.url)
  await page.waitForSelector('#gate', { state: 'visible' })
  t.notOk(await page.isVisible('#main'))
  await page.fill('#token', 'not the one')
  await page.keyboard.press('Enter')
  await page.waitForSelector('#token-wrong', { state: 'visible' })
  await page.fill('#token', token)
  await page.keyboard.press('Enter')
  await page.waitForSelector('.backend')
  t.notOk(await page.isVisible('#gate'))
  t.same(await page.evaluate('[Object.keys(localStorage), document.cookie]'), [[], ''])
  await page.reload()
  await page.waitForSelector('.backend', { timeout: 10_000 })
  const other = await page.context().newPage()
  await other.goto(here.url)
  await other.waitForSelector('#gate', { state: 'visible' })
})

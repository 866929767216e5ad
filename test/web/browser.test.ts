/** Real clients of gRPC-Web in a real browser: @connectrpc/connect-web and grpc-web in Chromium, where that is there. */
import { join } from 'node:path'
import t from 'tap'
import { certificates } from '../support/certs.ts'
import { chromiumPath, IN_CONTAINER } from '../support/chromium.ts'
import { idle } from '../support/until.ts'
import { EXPECTED } from './page/messages.ts'
import { descriptors, servePages } from './pages.ts'
import { scene } from './scene.ts'

const TYPES = descriptors()
/** Its page calls the test service by hand. */
const EXAMPLE = join(import.meta.dirname, '../../examples/web/public')
/** In binary grpc-web has no streams. */
const WITHOUT_STREAMS = { stream: null, brokenStream: null, cancelled: null }

// A browser takes seconds to start, on a busy machine many.
t.setTimeout(90_000)

const browser = chromiumPath()

t.test('in a browser', { skip: browser === undefined && 'no Chromium on this machine' }, async t => {
  const { chromium } = await import('playwright-core')
  const launched = await chromium.launch({ executablePath: browser!, args: IN_CONTAINER })
  t.teardown(() => launched.close())
  const origin = await servePages(t)

  for (const tls of [undefined, await certificates()]) {
    const version = tls === undefined ? 'HTTP/1.1' : 'HTTP/2'
    await t.test(version, async t => {
      const { url } = await scene(t, { origins: [origin] }, tls)
      const page = await launched.newPage({ ignoreHTTPSErrors: true })
      const said: string[] = []
      page.on('console', message => said.push(message.text()))
      page.on('pageerror', error => said.push(error.message))
      await page.goto(origin)
      await page.waitForFunction('globalThis.loaded').catch(error => t.fail(`${error.message}: ${said.join()}`))
      const run = <T>(call: string): Promise<T> =>
        page.evaluate(`(async () => { const types = new Uint8Array([${TYPES.join()}]); return ${call} })()`)

      t.same(await run(`connectReport('${url}', types, 'connect ${version}')`), EXPECTED, 'connect-web')
      const connect = `connectReport('${url}', types, 'connect protocol ${version}', 'connect')`
      t.same(await run(connect), EXPECTED, 'connect-web, with the protocol of Connect')
      t.same(await run(`grpcWebReport('${url}', types, 'text', 'text ${version}')`), EXPECTED, 'grpc-web, text')
      const binary = `grpcWebReport('${url}', types, 'binary', 'binary ${version}')`
      t.same(await run(binary), { ...EXPECTED, ...WITHOUT_STREAMS }, 'grpc-web, binary')

      // Chromium itself takes whatever comes, so a page that reads nothing stops nobody (300 MB were seen). All of it arrives.
      const slow = `readSlowly('${url}', types, { count: 100, payloadSize: 100_000 }, async () => {})`
      t.equal(await run(slow), 100, 'a long stream')
      await page.close()
    })
  }

  for (const tls of [undefined, await certificates()]) {
    await t.test(`a page that the proxy serves itself, ${tls === undefined ? 'HTTP/1.1' : 'HTTP/2'}`, async t => {
      const { url, proxy } = await scene(t, { static: EXAMPLE }, tls)
      const page = await launched.newPage({ ignoreHTTPSErrors: true })
      const out = 'document.querySelector("#out").textContent'
      for (const visit of [() => page.goto(url), () => page.reload()]) {
        t.equal((await visit())?.headers()['content-type'], 'text/html; charset=utf-8')
        await page.waitForFunction(`${out} !== '…'`)
        t.match(await page.evaluate(out), /^a message of \d+ bytes, whose value is hello\n[\s\S]*grpc-status:0/)
      }
      await page.close()
      await idle(proxy)
    })
  }

  await t.test('a page of an origin that may not call', async t => {
    const { url, proxy } = await scene(t, true)
    const page = await launched.newPage()
    await page.goto(origin)
    await page.waitForFunction('globalThis.loaded')
    const call = `connectReport('${url}', new Uint8Array([${TYPES.join()}]), 'x').then(() => 'called', error => error.message)`
    t.match(await page.evaluate(call), /Failed to fetch/)
    t.equal(proxy.counts().backendSessions, 0)
  })
})

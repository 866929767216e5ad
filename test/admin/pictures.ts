/** `npm run pictures`: takes the pictures of the live page that the documents show. It lasts two minutes, as the charts do. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium as chromiumOf, type Page } from 'playwright-core'
import { chromiumPath, IN_CONTAINER } from '../support/chromium.ts'
import { load, scene } from './page-scene.ts'

const FOLDER = join(import.meta.dirname, '../../docs/pictures')
const FILL_MS = 120_000
const STOP_AFTER_MS = 80_000
/** Lossy, and no difference to the eye: a tenth of the PNG. */
const QUALITY = 0.86

const PICTURES = [
  { name: 'page-light', width: 1440, height: 1240, theme: 'light' },
  { name: 'page-dark', width: 1440, height: 1240, theme: 'dark' },
  { name: 'page-768', width: 768, height: 1240, theme: 'light' },
  { name: 'page-360', width: 360, height: 1240, theme: 'dark' },
] as const

/** Chromium writes WebP from a canvas only. */
async function webp(browser: Browser, png: Buffer): Promise<Buffer> {
  const page = await browser.newPage()
  const url = await page.evaluate<string>(`(async () => {
    const image = new Image()
    image.src = 'data:image/png;base64,${png.toString('base64')}'
    await image.decode()
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height })
    canvas.getContext('2d').drawImage(image, 0, 0)
    return canvas.toDataURL('image/webp', ${QUALITY})
  })()`)
  await page.close()
  return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64')
}

async function take(browser: Browser, page: Page, name: string): Promise<void> {
  const file = join(FOLDER, `${name}.webp`)
  const bytes = await webp(browser, await page.screenshot())
  writeFileSync(file, bytes)
  console.log(`${file}: ${Math.round(bytes.length / 1024)} KiB`)
}

const executablePath = chromiumPath()
if (executablePath === undefined) throw new Error('there is no Chromium on this machine')
const ends: (() => unknown)[] = []
const scope = { teardown: (end: () => unknown) => void ends.push(end) }
mkdirSync(FOLDER, { recursive: true })
const here = await scene(scope)
load(scope, here.address, 12)
const browser = await chromiumOf.launch({ executablePath, args: IN_CONTAINER })
const pages: Page[] = []
for (const { width, height, theme } of PICTURES) {
  const page = await browser.newPage({
    viewport: { width, height },
    colorScheme: theme,
    deviceScaleFactor: width < 400 ? 2 : 1,
  })
  await page.goto(here.url)
  pages.push(page)
}
console.log(`filling the charts for ${FILL_MS / 1_000} seconds`)
await new Promise(resolve => setTimeout(resolve, STOP_AFTER_MS))
await here.stopServer()
await new Promise(resolve => setTimeout(resolve, FILL_MS - STOP_AFTER_MS))
for (const [i, { name }] of PICTURES.entries()) await take(browser, pages[i]!, name)
await pages[0]!.click('#drain')
await take(browser, pages[0]!, 'page-drain')
await browser.close()
for (const end of ends.reverse()) await end()

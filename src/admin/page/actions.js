/** What the page does to the proxy. Each asks first, and says what came of it. */
import { element, say, show } from './element.js'
import { count } from './numbers.js'

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace']
/** How long an answer is shown. */
const ANSWER_MS = 8_000

const of = id => document.getElementById(id)

/** @returns whether the answer was yes */
async function ask(dialog) {
  dialog.returnValue = 'no'
  dialog.showModal()
  await new Promise(resolve => dialog.addEventListener('close', resolve, { once: true }))
  return dialog.returnValue === 'yes'
}

export class Actions {
  #feed
  #last
  #timer

  constructor(feed) {
    this.#feed = feed
    of('drain').addEventListener('click', () => this.#drain())
    of('reload').addEventListener('click', () => this.#reload())
    of('log-level').addEventListener('click', () => this.#logLevel())
    of('level').append(...LEVELS.map(level => element('option', { value: level, text: level })))
  }

  show(event) {
    this.#last = event
    say(of('log-level-now'), event.logLevel)
    show(of('reload'), event.canReload)
    of('log-level').classList.toggle('unusual', event.logLevel !== event.usualLogLevel)
  }

  async #drain() {
    const calls = this.#last?.counts.calls ?? 0
    say(of('drain-calls'), calls === 0 ? 'No call is in flight.' : `${count(calls)} calls are in flight.`)
    if (await ask(of('ask-drain'))) await this.#post('drain')
  }

  async #reload() {
    if (await ask(of('ask-reload'))) await this.#post('reload')
  }

  async #logLevel() {
    say(of('usual-log-level'), this.#last?.usualLogLevel ?? '')
    of('level').value = this.#last?.logLevel ?? 'info'
    if (!(await ask(of('ask-log-level')))) return
    await this.#post(`log-level?${new URLSearchParams({ level: of('level').value, forMs: of('level-for').value })}`)
  }

  async #post(what) {
    try {
      const answer = await fetch(what, { method: 'POST', headers: this.#feed.headers })
      this.#say(sentenceOf(await answer.text(), answer.headers.get('content-type') ?? ''), answer.ok)
    } catch {
      this.#say('The proxy could not be asked: the connection failed.', false)
    }
  }

  #say(text, isGood) {
    const answer = of('answer')
    say(answer, text)
    answer.classList.toggle('bad', !isGood)
    show(answer, true)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => show(answer, false), ANSWER_MS)
  }
}

/** The verdict of a reload is JSON; all others are sentences. */
function sentenceOf(text, type) {
  if (!type.includes('json')) return `${text.trim().replace(/^./, first => first.toUpperCase())}.`
  const { kind, problems = [] } = JSON.parse(text)
  if (kind === 'applied') return 'The configuration has been read and is in force.'
  if (kind === 'unchanged') return 'It is what is in force already.'
  return `It is not used: ${problems.map(({ path, message }) => [path, message].filter(Boolean).join(': ')).join('; ')}`
}

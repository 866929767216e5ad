/**
 * The proxy's events, read by `fetch`, which can carry a token where `EventSource` cannot. It connects again by itself.
 *
 * ```
 *   connecting ──► live ◄──► stale ──► lost ──► connecting …      token: none was given, or not the right one
 *                                                                 refused: this browser may not look, and why
 * ```
 */

/** An event comes each second. */
const STALE_MS = 3_000
const LOST_MS = 10_000
const PAUSES_MS = [500, 1_000, 2_000, 5_000]
/** A restart may take one. */
const FAILURES_OF_LOST = 2
/** An event has some tens of kilobytes. What never ends is none. */
const MAX_CHARACTERS = 8_000_000
/** Per tab, and gone with it. */
const KEPT = 'grpc-verbatim token'

export class Feed {
  #onEvent
  #onState
  #state = 'connecting'
  #token = sessionStorage.getItem(KEPT) ?? undefined
  #heardMs = performance.now()
  #failures = 0
  #abort
  #running = false

  /** @param onState gets the state, and a sentence for `refused` */
  constructor(onEvent, onState) {
    this.#onEvent = onEvent
    this.#onState = onState
    setInterval(() => this.#judge(), 500)
  }

  start() {
    if (!this.#running) void this.#run()
  }

  /** @param token undefined: forgets it */
  set token(token) {
    this.#token = token
    if (token === undefined) sessionStorage.removeItem(KEPT)
    else sessionStorage.setItem(KEPT, token)
  }

  get headers() {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
  }

  async #run() {
    this.#running = true
    while (this.#running) {
      this.#abort = new AbortController()
      try {
        const answer = await fetch('events', { headers: this.headers, signal: this.#abort.signal, cache: 'no-store' })
        if (!answer.ok) await this.#refused(answer)
        else await this.#read(answer.body)
      } catch {
        // Nobody listens there: it need not be waited for. Else `#judge` says since when it is silent.
        if (this.#failures >= FAILURES_OF_LOST) this.#enter('lost')
      }
      if (!this.#running) return
      const pause = PAUSES_MS[Math.min(this.#failures++, PAUSES_MS.length - 1)]
      await new Promise(resolve => setTimeout(resolve, pause))
    }
  }

  async #refused(answer) {
    if (answer.status === 401) {
      this.#running = false
      this.#enter('token', this.#token !== undefined)
      this.token = undefined
      return
    }
    const sentence = (await answer.text()).trim()
    // Whoever looks too may leave.
    this.#running = answer.status >= 500
    this.#enter('refused', sentence)
  }

  async #read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      text += value
      if (text.length > MAX_CHARACTERS) return this.#abort.abort()
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        this.#tell(text.slice(0, end))
        text = text.slice(end + 2)
      }
    }
  }

  #tell(block) {
    if (!block.startsWith('data: ')) return
    this.#heardMs = performance.now()
    this.#failures = 0
    this.#enter('live')
    this.#onEvent(JSON.parse(block.slice('data: '.length)))
  }

  #judge() {
    if (this.#state === 'token' || this.#state === 'refused') return
    const silentMs = performance.now() - this.#heardMs
    if (silentMs < STALE_MS) return
    if (silentMs < LOST_MS) return this.#enter(this.#state === 'connecting' ? 'connecting' : 'stale')
    this.#enter('lost')
    // The machine at the other end may have gone without a word.
    if (this.#failures === 0) this.#abort?.abort()
  }

  #enter(state, detail) {
    if (this.#state === state && detail === undefined) return
    this.#state = state
    this.#onState(state, detail)
  }
}

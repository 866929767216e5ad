/** The live page: what comes of the proxy's events is given to the parts that show it. */
import { Actions } from './actions.js'
import { Backends } from './backends.js'
import { Calls } from './calls.js'
import { say, show } from './element.js'
import { Failures } from './failures.js'
import { Feed } from './feed.js'
import { History } from './history.js'
import { Listeners } from './listeners.js'
import { Methods } from './methods.js'
import { clock, duration } from './numbers.js'
import { followTheme } from './theme.js'
import { Traffic } from './traffic.js'

const of = id => document.getElementById(id)
const root = document.documentElement

followTheme()
const history = new History()
const traffic = new Traffic(of('charts'), of('figures'))
const backends = new Backends(of('backends'), of('backends-note'))
const methods = new Methods(of('methods'), of('methods-note'))
const calls = new Calls(of('calls'), of('calls-note'))
const failures = new Failures(of('failures'), of('failures-note'))
const listeners = new Listeners(of('listeners'))
const feed = new Feed(onEvent, onState)
const actions = new Actions(feed)
let last

function onEvent(event) {
  last = event
  history.add(event)
  traffic.show(event, history.samples)
  for (const part of [backends, methods, calls, failures, listeners, actions]) part.show(event)
  showReady(event)
}

function showReady({ notReady, version, uptimeMs }) {
  const [text, state] =
    notReady.length === 0 ? ['Ready for calls', 'ready'] : [sentence(notReady.join('; ')), 'not-ready']
  of('ready').dataset.state = state
  say(of('ready'), text)
  say(of('version'), version)
  say(of('where'), `${location.host} · up ${duration(uptimeMs)}`)
  document.title = `${state === 'ready' ? '' : '(!) '}${location.host} · grpc-verbatim`
}

const FEED_TEXTS = {
  connecting: () => 'Connecting',
  live: () => 'Live',
  stale: () => `Silent since ${clock(last.atMs)}`,
  lost: () => (last === undefined ? 'No answer' : `Lost at ${clock(last.atMs)}`),
  token: () => 'Locked',
  refused: () => 'Refused',
}

function onState(state, detail) {
  root.dataset.feed = state
  say(of('feed-text'), FEED_TEXTS[state]())
  show(of('gate'), state === 'token')
  show(of('main'), state !== 'token')
  show(of('token-wrong'), state === 'token' && detail === true)
  if (state === 'token') of('token').focus()
  const notice = noticeOf(state, detail)
  show(of('notice'), notice !== undefined)
  say(of('notice'), notice ?? '')
}

function noticeOf(state, detail) {
  if (state === 'refused') return `${sentence(detail)}.`
  if (state === 'stale') return `The proxy is silent. What you see is from ${clock(last.atMs)}.`
  if (state !== 'lost') return undefined
  if (last === undefined) return 'The proxy does not answer. The page goes on asking.'
  if (last.notReady.includes('it is draining'))
    return `It drained and has ended. What you see is from ${clock(last.atMs)}.`
  return `The connection is lost. What you see is from ${clock(last.atMs)}. The page goes on asking.`
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

of('gate').addEventListener('submit', event => {
  event.preventDefault()
  feed.token = of('token').value.trim()
  of('token').value = ''
  onState('connecting')
  feed.start()
})
feed.start()

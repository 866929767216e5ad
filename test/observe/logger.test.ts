import { spawnSync } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import t from 'tap'

const LOGGER = new URL('../../src/observe/logger.ts', import.meta.url).href

/** What a process prints that logs like this; its standard output is a pipe. */
function printed(options: object, script: string): string[] {
  const code = `import { createLogger } from '${LOGGER}'; const log = createLogger({ maxBufferedBytes: 65_536, ...${JSON.stringify(options)} }); ${script}`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  if (stderr !== '') throw new Error(stderr)
  return stdout.split('\n').filter(line => line !== '')
}

t.test('JSON lines into a pipe; what is not urgent waits, and comes all the same', async t => {
  const lines = printed(
    { level: 'info', pretty: 'auto' },
    `log.debug('no'); log.info({ a: 1 }, 'one'); log.warn('two')`,
  )
  t.match(
    lines.map(line => JSON.parse(line)),
    [
      { level: 30, a: 1, msg: 'one' },
      { level: 40, msg: 'two' },
    ],
  )
  t.equal(lines.length, 2)
})

t.test('no process id, no host name', async t => {
  const [line] = printed({ level: 'info', pretty: false }, `log.info('x')`)
  t.same(Object.keys(JSON.parse(line!)).sort(), ['level', 'msg', 'time'])
})

t.test('secrets are hidden', async t => {
  const secrets = { authorization: 'Bearer 1', cookie: 'c=1' }
  const object = JSON.stringify({ ...secrets, metadata: secrets, headers: secrets })
  const [line] = printed({ level: 'info', pretty: false }, `log.info(${object}, 'x')`)
  t.notMatch(line, /Bearer|c=1/)
})

t.test('lines for people, where they are asked for', async t => {
  const [line] = printed({ level: 'info', pretty: true }, `log.info('ready')`)
  t.match(line, /INFO.*ready/)
})

t.test('an error with a long message is cut: in the message, and in the stack that repeats it', async t => {
  const [line = ''] = printed(
    { level: 'info', pretty: false },
    `log.error({ err: new Error('m'.repeat(60_000)) }, 'x')`,
  )
  const { err } = JSON.parse(line)
  t.match(err.message, /^m{512}\[cut\]$/)
  t.match(err.stack, /^Error: m{512}\[cut\]\n {4}at /)
  t.ok(line.length < 6_000, `${line.length}`)
})

t.test('whatever was thrown can be logged', async t => {
  const thrown = `[undefined, null, 0, 'x'.repeat(60_000), {}, { message: 1, stack: 2 }]`
  const lines = printed({ level: 'info', pretty: false }, `for (const err of ${thrown}) log.error({ err }, 'x')`)
  t.equal(lines.length, 6)
  t.match(JSON.parse(lines[3]!).err, /^x{512}\[cut\]$/)
})

t.test('a proxy tells how many lines of the log were dropped', { skip: !existsSync('/dev/full') }, async t => {
  const code = `
    import { createLogger } from '${LOGGER}'
    import { createProxy } from '${new URL('../../src/index.ts', import.meta.url).href}'
    const proxy = createProxy('127.0.0.1:1')
    console.error(proxy.droppedLogLines())
    const log = createLogger({ level: 'info', pretty: false, maxBufferedBytes: 65_536 })
    for (let i = 0; i < 30_000; i++) log.info({ text: 'x'.repeat(200) }, 'line')
    console.error(proxy.droppedLogLines())
    await proxy.close()`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    encoding: 'utf8',
  })
  const [none, , many = '', all] = stderr.split('\n')
  t.equal(none, '0')
  t.ok(Number(many) > 10_000 && Number(many) < 30_000, many)
  t.match(all, /^grpc-verbatim: 30000 lines of the log could not be written$/)
})

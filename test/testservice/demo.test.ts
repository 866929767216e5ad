/** The `demo` command's story, and what it says when it cannot run. */
import t, { type Test } from 'tap'
import { type Demo, type DemoOptions, runDemo } from '../../src/demo/demo.ts'
import type { PingReply } from '../../src/demo/messages.ts'
import { TestServiceClient } from './client.ts'

/** @returns the demo on a free port, and what it printed */
async function start(t: Test, options: DemoOptions = {}): Promise<{ demo: Demo; lines: string[] }> {
  const lines: string[] = []
  const demo = await runDemo({ port: 0, out: line => lines.push(line), ...options })
  t.teardown(() => demo.close())
  return { demo, lines }
}

t.test('it calls every kind of method, and both endpoints answer', async t => {
  const { demo, lines } = await start(t)
  const text = lines.join('\n')
  for (const kind of ['unary', 'server stream', 'bidirectional', 'error']) t.match(text, `\n  ${kind}`)
  t.match(text, 'answered by "amber"')
  t.match(text, 'answered by "birch"')
  t.match(text, 'status 5 NOT_FOUND')
  t.match(text, `${demo.address} verbatim.testservice.v1.TestService/Ping`, 'a grpcurl line with the real address')
  t.match(text, `TestService('${demo.address}'`, 'grpc-js lines with the real address')
})

t.test('then it serves, until it is drained', async t => {
  const { demo } = await start(t)
  const client = new TestServiceClient(demo.address)
  t.teardown(() => client.close())
  const answer = await client.unary<PingReply>('Ping', { value: 'from outside' })
  t.match(answer.reply, { value: 'from outside' })
  await demo.drain(0)
  t.not((await client.unary('PingEmpty', {})).code, 0)
})

t.test('a busy port is one sentence that says what to do', async t => {
  const { demo } = await start(t)
  const error = await runDemo({ port: demo.port, out: () => {} }).catch(reason => reason)
  t.match(error, { name: 'DemoError', code: 'EADDRINUSE' })
  t.match(error.message, /^Port \d+ on 127\.0\.0\.1 is in use by another program; .*PORT=\d+ npm start.*\.$/)
})

t.test('PORT of the environment', async t => {
  const before = process.env.PORT
  t.teardown(() => {
    if (before === undefined) delete process.env.PORT
    else process.env.PORT = before
  })
  process.env.PORT = 'eighty'
  await t.rejects(runDemo({ out: () => {} }), { name: 'DemoError', message: /PORT is "eighty", which is not a port/ })
  process.env.PORT = '0'
  const { demo } = await start(t, { port: undefined })
  t.not(demo.port, 0)
})

/** The table of tokens: complete, and each of its rows in use. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { errorCodeName } from '../../src/wire/errors.ts'
import {
  type ConnectionToken,
  connectionError,
  PROTOCOL_TOKENS,
  type StreamToken,
  streamError,
} from '../../src/wire/protocol-error.ts'

const SRC = path.join(import.meta.dirname, '../../src')

t.test('each token is well formed, has its error, and is thrown somewhere', async t => {
  const code = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !file.endsWith('protocol-error.ts'))
    .map(file => readFileSync(path.join(SRC, file), 'utf8'))
    .join('\n')
  for (const [token, [scope, errorCode, source, meaning]] of Object.entries(PROTOCOL_TOKENS)) {
    t.match(token, /^[a-z0-9]+(-[a-z0-9]+)*$/)
    t.match(source, /^(§\d+(\.\d+)*|max[A-Z]\w+)$/)
    const error =
      scope === 'connection'
        ? connectionError(token as ConnectionToken, 'detail')
        : streamError(7, token as StreamToken, 'detail')
    t.equal(error.code, errorCode)
    t.equal(error.token, token)
    const begin = scope === 'connection' ? '' : 'stream 7: '
    t.equal(error.message, `${begin}${meaning}: detail (${errorCodeName(errorCode)}, ${source})`)
    t.ok(code.includes(`'${token}'`), `${token} is in use`)
  }
})

t.test('names', async t => {
  t.equal(connectionError('bad-preface').name, 'ConnectionError')
  t.match(streamError(3, 'data-too-short'), { name: 'StreamError', streamId: 3 })
})

/** Bodies of gRPC-Web, to the byte. */
import fc from 'fast-check'
import t from 'tap'
import { Base64Reader, toBase64, trailersFrame } from '../../src/grpc/web-frame.ts'
import { answersInText, grpcType, webTypeFor, webTypeOf } from '../../src/grpc/web-type.ts'

const field = (name: string, value: string) => ({ name, value, neverIndexed: false })

t.test('trailers are a frame of their own, as Envoy writes it', async t => {
  const frame = trailersFrame([field('grpc-status', '5'), field('grpc-message', 'no%20such'), field('x', 'é')])
  const text = 'grpc-status:5\r\ngrpc-message:no%20such\r\nx:\xe9\r\n'
  t.equal(frame.toString('latin1'), `\x80\0\0\0${String.fromCharCode(text.length)}${text}`)
  t.same(trailersFrame([]), Buffer.from([0x80, 0, 0, 0, 0]))
})

/** Reads `text` cut at the given places. */
function read(text: string, ...cuts: number[]): { bytes: string | undefined; pending: number } {
  const reader = new Base64Reader()
  const all = Buffer.from(text, 'latin1')
  let bytes = ''
  for (const [i, cut] of [...cuts, all.length].entries()) {
    const piece = reader.read(all, i === 0 ? 0 : cuts[i - 1]!, cut)
    if (piece === undefined) return { bytes: undefined, pending: reader.pending }
    bytes += piece.toString('latin1')
  }
  return { bytes, pending: reader.pending }
}

t.test('base64 with padding wherever a segment ends', async t => {
  t.same(read(''), { bytes: '', pending: 0 })
  t.same(read('AAECAw=='), { bytes: '\0\x01\x02\x03', pending: 0 })
  t.same(read('AA==AQ==AgM=BAUG'), { bytes: '\0\x01\x02\x03\x04\x05\x06', pending: 0 })
  t.same(read('AA==AQ==', 1, 2, 3, 4, 5, 6, 7), { bytes: '\0\x01', pending: 0 })
  t.same(read('AAEC+/8='), { bytes: '\0\x01\x02\xfb\xff', pending: 0 })
})

t.test('what is not base64 is found, wherever it is cut', async t => {
  const wrong = ['AA=A', '=AAA', 'A===', 'A=AA', '====', 'AAEC\n', 'AA EC', 'AA-_', 'AAE\0', 'AA=\xe9', 'AA==AA=A']
  for (const text of wrong) {
    for (let cut = 0; cut < text.length; cut++) t.equal(read(text, cut).bytes, undefined, `${text} at ${cut}`)
  }
  for (const [text, pending] of [
    ['A', 1],
    ['AA', 2],
    ['AAE', 3],
    ['AA=', 3],
    ['AAECA', 1],
  ] as const) {
    t.equal(read(text).pending, pending, text)
  }
})

t.test('any bytes, in any segments, cut anywhere, are the same bytes again', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.nat(400), { maxLength: 12 }),
      (segments, places) => {
        const text = segments.map(bytes => toBase64(Buffer.from(bytes), 0, bytes.length).toString('latin1')).join('')
        const cuts = places.map(place => place % (text.length + 1)).sort((a, b) => a - b)
        const { bytes, pending } = read(text, ...cuts)
        return pending === 0 && bytes === Buffer.concat(segments).toString('latin1')
      },
    ),
  )
})

t.test('which content types are gRPC-Web, and what they are in gRPC', async t => {
  for (const [type, text, grpc] of [
    ['application/grpc-web', false, 'application/grpc'],
    ['application/grpc-web+proto', false, 'application/grpc+proto'],
    ['application/grpc-web+json; charset=utf-8', false, 'application/grpc+json; charset=utf-8'],
    ['application/grpc-web-text', true, 'application/grpc'],
    ['Application/gRPC-Web-Text+proto', true, 'application/grpc+proto'],
    ['application/grpc-web;x=y', false, 'application/grpc;x=y'],
  ] as const) {
    const web = webTypeOf(type)!
    t.equal(web?.text, text, type)
    t.equal(grpcType(web), grpc)
  }
  const others = [
    '',
    'application/grpc',
    'application/grpc+proto',
    'application/grpc-webs',
    'application/grpc-web-texts',
  ]
  for (const type of [...others, 'application/json', 'application/connect+proto'])
    t.equal(webTypeOf(type), undefined, type)
})

t.test('the type of a response', async t => {
  const request = webTypeOf('application/grpc-web+proto')!
  t.equal(webTypeFor('application/grpc', request, false), 'application/grpc-web+proto', 'that of the request')
  t.equal(webTypeFor('application/grpc', request, true), 'application/grpc-web-text+proto')
  t.equal(webTypeFor('application/grpc+json', request, false), 'application/grpc-web+json', 'what the backend says')
  t.equal(webTypeFor('text/html', request, false), undefined)
  t.equal(webTypeFor('', request, false), undefined)
})

t.test('who gets text', async t => {
  const binary = webTypeOf('application/grpc-web')!
  const text = webTypeOf('application/grpc-web-text')!
  t.equal(answersInText(text, 'application/grpc-web-text'), true)
  t.equal(answersInText(binary, 'application/grpc-web-text'), true, 'it asks for it')
  t.equal(answersInText(text, 'application/grpc-web'), false, 'it asks for the other')
  for (const any of ['', '*/*']) {
    t.equal(answersInText(text, any), true, 'as it speaks')
    t.equal(answersInText(binary, any), false)
  }
})

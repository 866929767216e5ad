/**
 * Why a header block cannot be decoded. RFC 9113 §4.3: "A receiver MUST terminate the connection
 * with a connection error (Section 5.4.1) of type COMPRESSION_ERROR if it does not decompress a
 * field block", for the two dynamic tables are then out of step for good.
 */
import { ErrorCode } from '../errors.ts'
import { ConnectionError } from '../protocol-error.ts'

/** Every rejection of the decoder, and what the peer did. */
export const HPACK_TOKENS = {
  'hpack-bad-index': 'an index of 0, or past the end of the dynamic table (RFC 7541 §2.3.3, §6.1)',
  'hpack-integer-overflow': 'an integer of 2^31 or more, or with more octets than such a one needs (§5.1)',
  'hpack-truncated': 'the block ends within a field or a size update',
  'hpack-string-overrun': 'a string is longer than what is left of the block (§5.2)',
  'hpack-huffman-eos': 'the EOS symbol within a Huffman-coded string (§5.2)',
  'hpack-huffman-padding': 'padding longer than 7 bits, or not the most significant bits of EOS (§5.2)',
  'hpack-size-update-late': 'a dynamic table size update after a field (§4.2)',
  'hpack-size-update-too-large': 'a dynamic table size update over the limit that was announced (§6.3)',
  'hpack-size-update-missing': 'no size update at the start of the block after a lowered limit (RFC 9113 §4.3.1)',
} as const

export type HpackToken = keyof typeof HPACK_TOKENS

export function hpackError(token: HpackToken): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, token, `HPACK: ${HPACK_TOKENS[token]}`)
}

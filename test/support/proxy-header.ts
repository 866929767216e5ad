/** Headers of the PROXY protocol, version 2, byte by byte. */
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]

export function v2(command: number, kind: number, rest: readonly number[]): Buffer {
  return Buffer.from([...SIGNATURE, command, kind, rest.length >> 8, rest.length & 255, ...rest])
}

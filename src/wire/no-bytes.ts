/** The empty buffer, one for everybody who needs it. */
export const NO_BYTES: Buffer = Buffer.alloc(0)

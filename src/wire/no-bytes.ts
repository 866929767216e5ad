/** The empty buffer, one for all who need one. */
export const NO_BYTES: Buffer = Buffer.alloc(0)

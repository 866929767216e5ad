/** Why an address cannot be listened on, in a sentence. */

const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use, by another process or another listener',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'this machine does not have the address',
  ENOTFOUND: 'the host name cannot be resolved',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ENOENT: 'the folder of the socket does not exist',
  ENOTINHERITED:
    'the process was not started with a socket of that name, or does not have it any more: systemd gives it one by a ' +
    '.socket unit with that FileDescriptorName=',
  EINVAL: 'it is not a stream socket that listens',
  ENAMETOOLONG: 'the path of the socket is too long',
  EROFS: 'the file system is read-only',
  ENOTSOCK: 'there is a file that is not a socket, and it stays as it is',
}

/** @returns undefined where it is another error */
export function listenFailure(error: unknown): string | undefined {
  const { code, address, hostname, port } = error as Record<'code' | 'address' | 'hostname', string | undefined> & {
    port?: number
  }
  const reason = LISTEN_FAILURES[code ?? '']
  if (reason === undefined) return undefined
  const host = address ?? hostname ?? ''
  const where = port === undefined || port < 0 ? host : host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return `cannot listen on ${where}: ${reason} (${code})`
}

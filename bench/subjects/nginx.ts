/** nginx with `grpc_pass`, one worker. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child, freePort, OPEN_FILES } from '../measure/child.ts'
import type { Contender } from './contender.ts'
import { findProgram, type Program, requireCommand } from './installed.ts'
import type { World } from './world.ts'

const PROGRAM: Program = {
  title: 'nginx',
  // Debian installs it in a folder that is not on every user's PATH.
  commands: ['nginx', '/usr/sbin/nginx'],
  versionArgs: ['-v'],
  version: /nginx\/([\d.]+)/,
  install: 'apt-get install nginx-light',
}

export const nginx: Contender = {
  name: 'nginx',
  title: 'nginx with grpc_pass, one worker',
  find: () => findProgram(PROGRAM),
  async start(world) {
    const port = await freePort()
    const file = join(world.folder, `nginx-${port}.conf`)
    writeFileSync(file, nginxConfiguration(world, port))
    // -e: messages from before it has read the file must not go to the machine's log.
    const args = ['-p', world.folder, '-e', 'stderr', '-c', file]
    const child = new Child({ command: requireCommand(PROGRAM), args, core: 0, openFiles: OPEN_FILES })
    return { child: await child.listening(port), port }
  },
}

export function nginxConfiguration(
  { folder, backends, tls }: Pick<World, 'folder' | 'backends' | 'tls'>,
  port: number,
): string {
  const servers = backends.map(backend => `    server 127.0.0.1:${backend};`)
  // When root starts it, it would look for an account for its worker. When somebody else starts it, it warns about this
  // line.
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  return `daemon off;
${user}# It has one core.
worker_processes 1;
worker_rlimit_nofile ${OPEN_FILES};
pid ${folder}/nginx-${port}.pid;
error_log stderr crit;

events {
  # Ten thousand idle clients, and a connection to a backend for each of a thousand calls.
  worker_connections 11500;
}

http {
  # The log costs its writes; the other subjects have none either.
  access_log off;
  client_body_temp_path ${folder}/nginx-body;
  proxy_temp_path ${folder}/nginx-proxy;
  fastcgi_temp_path ${folder}/nginx-fastcgi;
  uwsgi_temp_path ${folder}/nginx-uwsgi;
  scgi_temp_path ${folder}/nginx-scgi;

  # Its default, 1,000 calls, would make clients connect again and again.
  keepalive_requests 100000000;
  keepalive_timeout 1h;
  # Long streams, slow readers and idle clients: its defaults of a minute would end them.
  client_header_timeout 1h;
  client_body_timeout 1h;
  send_timeout 1h;
  grpc_read_timeout 1h;
  grpc_send_timeout 1h;
  # Messages of any size; its default ends a request after 1 MiB.
  client_max_body_size 0;
  # Its default, 128 streams a connection, would do; as for the others.
  http2_max_concurrent_streams 1000;
  # What it lets a client send before a backend is connected, and after: its defaults of 64 and 16 KiB hold uploads up.
  # More than 64 KiB of the second is memory from the system for each call: it cost small calls a tenth.
  http2_body_preread_size 256k;
  client_body_buffer_size 64k;
  # DATA frames to clients, and reads from backends: with its defaults of 8 and 4 KiB bulk cost more than twice as much.
  http2_chunk_size 64k;
  grpc_buffer_size 32k;

  upstream servers {
${servers.join('\n')}
    # It has one call on a connection at a time, so each of a thousand needs its own, kept; its default keeps none.
    keepalive 1024;
    keepalive_requests 100000000;
    keepalive_timeout 1h;
  }

  server {
    listen 127.0.0.1:${port} http2${tls === undefined ? '' : ' ssl'} backlog=4096;
${
  tls === undefined
    ? ''
    : `    ssl_certificate ${tls.cert};
    ssl_certificate_key ${tls.key};
    # The backend's certificate is verified, as the others do.
    grpc_ssl_trusted_certificate ${tls.ca};
    grpc_ssl_verify on;
    grpc_ssl_name localhost;
    grpc_ssl_server_name on;
`
}
    location / {
      grpc_pass ${tls === undefined ? 'grpc' : 'grpcs'}://servers;
    }
  }
}
`
}

#!/bin/sh
# Makes an authority, and a certificate each for proxy, client and backend, in the folder of this script or in the one
# that is given. They are for trying things out: they are good for 30 days, and the authority's key lies beside them.
set -eu
cd "${1:-$(dirname "$0")}"
umask 077

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
  -subj '/CN=example authority' -keyout ca.key -out ca.pem

for name in proxy client backend; do
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -subj "/CN=$name" -keyout "$name.key" -out "$name.csr"
  # The proxy is a server to its clients, and a client to its backends.
  printf 'subjectAltName = DNS:localhost, IP:127.0.0.1\nextendedKeyUsage = serverAuth, clientAuth\n' >"$name.ext"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
    -extfile "$name.ext" -out "$name.pem"
  rm "$name.csr" "$name.ext"
done

#!/bin/bash
# Whether the gateway answers at its own door. It is asked for a name that no environment can have
# (.invalid is reserved, RFC 6761), see haproxy.cfg. bash, because it can open sockets by itself.
set -eu
address=${PYDEPLOY_GATEWAY_BIND:-0.0.0.0}
[ "$address" = 0.0.0.0 ] && address=127.0.0.1

exec 3<>"/dev/tcp/$address/${PYDEPLOY_GATEWAY_HTTP_PORT:-80}"
printf 'GET / HTTP/1.1\r\nHost: gateway.invalid\r\nConnection: close\r\n\r\n' >&3
read -r -t 8 _ status _ <&3
[ "$status" = 200 ]

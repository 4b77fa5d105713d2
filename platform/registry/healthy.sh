#!/bin/bash
# Whether the registry answers.  bash, because it can open sockets without a further program.
set -eu
address=${REGISTRY_HTTP_ADDR:-127.0.0.1:5000}
exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
printf 'GET /v2/ HTTP/1.0\r\n\r\n' >&3
read -r -t 8 _ status _ <&3
[ "$status" = 200 ]

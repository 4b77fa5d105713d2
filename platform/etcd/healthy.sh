#!/bin/bash
# Whether etcd answers, with a leader. Not etcdctl: starting that costs a hundred times as much,
# and on a busy machine a check must not be what fails. bash, because it can open sockets by itself.
set -eu
exec 3<>"/dev/tcp/127.0.0.1/$PYDEPLOY_ETCD_CLIENT_PORT"
printf 'GET /health HTTP/1.0\r\n\r\n' >&3
read -r -t 8 _ status _ <&3
[ "$status" = 200 ]

#!/bin/sh
# One etcd, for this machine only: it listens on loopback, so that no environment reaches it.
set -eu
: "${PYDEPLOY_ETCD_CLIENT_PORT:=2379}" "${PYDEPLOY_ETCD_PEER_PORT:=2380}"

client=http://127.0.0.1:$PYDEPLOY_ETCD_CLIENT_PORT
peer=http://127.0.0.1:$PYDEPLOY_ETCD_PEER_PORT

# max-txn-ops: a release with many ports and routes is switched in one transaction.
# auto-compaction: history is only needed by watchers that reconnect; those that were away for
#   more than an hour read everything again.
# quota: at 2 GiB writes are refused, long before the disk is full; `pydeploy doctor` warns earlier.
# progress-notify: an idle watch says every 10 s up to which revision nothing has happened.
exec etcd \
    --name site \
    --data-dir /var/lib/etcd \
    --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
    --initial-cluster "site=$peer" \
    --max-txn-ops 1024 \
    --auto-compaction-mode periodic --auto-compaction-retention 1h \
    --quota-backend-bytes 2147483648 \
    --snapshot-count 10000 \
    --experimental-watch-progress-notify-interval 10s \
    --logger zap --log-level "${PYDEPLOY_ETCD_LOG_LEVEL:-warn}"

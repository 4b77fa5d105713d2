#!/bin/sh
# dnsmasq as a static wildcard: no upstream, no /etc/hosts, no DHCP, no files of the machine.
set -eu
: "${PYDEPLOY_DNS_BIND:=127.0.0.1}" "${PYDEPLOY_DNS_PORT:=53}" "${PYDEPLOY_DNS_ADDRESS:=127.0.0.1}"

if [ -z "${PYDEPLOY_DNS_DOMAINS:-}" ]; then
    echo 'dns: PYDEPLOY_DNS_DOMAINS is empty: no domain to answer for' >&2
    exit 2
fi

set -- # the arguments of dnsmasq
for domain in $PYDEPLOY_DNS_DOMAINS; do
    # `local` keeps what has no A record (AAAA, MX) from being an error: there is just no such record.
    set -- "$@" "--address=/$domain/$PYDEPLOY_DNS_ADDRESS" "--local=/$domain/"
done

exec dnsmasq --keep-in-foreground --conf-file=/dev/null --log-facility=- --pid-file= \
    --user=dns --group=dns \
    --no-resolv --no-hosts --no-poll --cache-size=0 --local-ttl=60 \
    --bind-interfaces --listen-address="$PYDEPLOY_DNS_BIND" --port="$PYDEPLOY_DNS_PORT" \
    "$@"

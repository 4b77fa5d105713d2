#!/bin/sh
# Start HAProxy with the routes that were last known; gateway-sync keeps them in step from there.
set -eu
: "${PYDEPLOY_SITE:=site}"
: "${PYDEPLOY_GATEWAY_BIND:=0.0.0.0}" "${PYDEPLOY_GATEWAY_HTTP_PORT:=80}"
: "${PYDEPLOY_GATEWAY_HTTPS_PORT:=443}" "${PYDEPLOY_GATEWAY_REDIRECT:=0}"
: "${PYDEPLOY_GATEWAY_WAIT:=5}"
export PYDEPLOY_SITE PYDEPLOY_GATEWAY_BIND PYDEPLOY_GATEWAY_HTTP_PORT PYDEPLOY_GATEWAY_HTTPS_PORT

folder=/var/lib/pydeploy/gateway
map=$folder/routes.map
in_step=$folder/in-step # touched by gateway-sync every few seconds while it follows etcd
in_step_for=10          # seconds that a touch holds; the life of a gateway's key in etcd

umask 027
[ -e "$map" ] || : >"$map"

# A gateway that was away may know routes whose ports are somebody else's by now: gateway-sync gets
# a moment to write the routes anew. If it does not (etcd is away), what was last known is served.
is_in_step() {
    [ -n "$(find "$in_step" -newermt "-$in_step_for seconds" 2>/dev/null)" ]
}
tenths=$((PYDEPLOY_GATEWAY_WAIT * 10))
until is_in_step || [ "$tenths" -le 0 ]; do
    sleep 0.1
    tenths=$((tenths - 1))
done

# haproxy.cfg asks whether these are set at all.
if [ -f /run/certificate.pem ] && [ -s /run/certificate.pem ]; then
    export PYDEPLOY_GATEWAY_TLS=1
    if [ "$PYDEPLOY_GATEWAY_REDIRECT" = 1 ]; then export PYDEPLOY_GATEWAY_TLS_ONLY=1; fi
fi

# -W: a master that replaces its worker without closing a door on SIGUSR2 (a renewed certificate),
# -db: in the foreground.
# -x: from a gateway that runs beside us, and is about to stop, its listening sockets: nobody who
# knocks while it stops is turned away. Where none answers, it warns, and opens its own.
take_over=
[ -S "$folder/admin.sock" ] && take_over="-x $folder/admin.sock"
# shellcheck disable=SC2086 # two words, or none
exec haproxy -W -db -f /etc/haproxy/haproxy.cfg $take_over

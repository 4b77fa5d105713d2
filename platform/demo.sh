#!/bin/bash
# Show pydeploy on this machine: a site on loopback, and an example deployed twice under one name.
#
#   demo.sh         set-up, site up, deploy; leaves the site running. The URL is the last line.
#   demo.sh down    remove the demo, and everything that it made
#
# May be run any number of times: what an earlier demo deployed is removed first.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
. "$here/functions.sh"

state=/var/lib/pydeploy/demo
export PYDEPLOY_SITE=$state/site.yml
pydeploy=$root/.venv/bin/pydeploy
change=10020
ca=/etc/ssl/certs/ca-certificates.crt

heading() { printf '\n── %s\n' "$*"; }

# run COMMAND...: shown as it would be typed, then run.
run() {
    printf '$ %s\n' "${*//$pydeploy/pydeploy}"
    "$@"
}

write_site() {
    install -d -m 0755 "$state"
    cp "$here/demo/site.yml" "$PYDEPLOY_SITE"
    if [ -s "$ca" ]; then
        printf '\nbuild:\n  ca: %s\n' "$ca" >>"$PYDEPLOY_SITE"
    fi
}

# commit MESSAGE: the example as it is now becomes a revision of its own.
commit() {
    git -C "$work" add --all
    git -C "$work" -c user.name=demo -c user.email=demo@deploy.localhost commit --quiet --message "$1"
}

make_repository() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp -R "$root/examples/hello-web/." "$work"
    git -C "$work" init --quiet
}

deploy() {
    run "$pydeploy" deploy "$work" --change "$change" --patchset "$1" --gerrit-project examples/hello-web
}

# Asks the site's dns for the name, and the gateway at that address for the page.
fetch() {
    local host=$change.deploy.deepin.test address
    printf '$ dig +short @127.0.0.1 -p %s %s\n' "$dns_port" "$host"
    address=$(dig +short +time=2 +tries=2 @127.0.0.1 -p "$dns_port" "$host")
    echo "$address"
    run curl --silent --show-error --fail --resolve "$host:$http_port:$address" "http://$host${suffix}/api"
}

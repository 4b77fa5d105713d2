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
export PATH=$root/.venv/bin:$PATH
change=10020
domain=deploy.deepin.test
ca=/etc/ssl/certs/ca-certificates.crt
ours=label=io.pydeploy.site=demo # what environments are made of
parts=label=com.docker.compose.project=pydeploy-demo # the site itself

heading() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }

# run COMMAND...: shown as it would be typed, then run.
run() {
    printf '$ %s\n' "$*"
    "$@"
}

write_site() {
    install -d -m 0755 "$state"
    {
        cat "$here/demo/site.yml"
        if [ -s "$ca" ]; then printf '\nbuild:\n  ca: %s\n' "$ca"; fi
    } >"$PYDEPLOY_SITE.new"
    mv "$PYDEPLOY_SITE.new" "$PYDEPLOY_SITE"
}

# The port that `pydeploy up` chose for: http, dns.
port_of() { sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" "$state/ports.json"; }

make_repository() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp -R "$root/examples/hello-web" "$work/hello-web"
    cd "$work/hello-web"
    git init --quiet
}

# commit MESSAGE: the example as it is now becomes a revision of its own.
commit() {
    git add --all
    git -c user.name=demo -c user.email=demo@$domain commit --quiet --message "$1"
}

# deploy PATCHSET: leaves the URL in $url.
deploy() {
    printf '$ pydeploy deploy --change %s --patchset %s\n' "$change" "$1"
    url=$(pydeploy deploy --change "$change" --patchset "$1")
    echo "$url"
}

# Asks the site's dns for the name, and whoever it names for the page.
fetch() {
    local host=$change.$domain http address shown=
    http=$(port_of http)
    [ "$http" = 80 ] || shown=:$http
    printf '$ dig +short @127.0.0.1 -p %s %s\n' "$(port_of dns)" "$host"
    address=$(dig +short +time=2 +tries=3 @127.0.0.1 -p "$(port_of dns)" "$host")
    echo "$address"
    no_proxy='*' run curl --silent --show-error --fail --resolve "$host:$http:$address" \
        "http://$host$shown/api"
}

up() {
    heading 'Set-up: engine, base image, virtual environment'
    "$here/setup.sh"
    echo "Docker Engine $(docker info --format '{{.ServerVersion}}'), Compose $(docker compose version --short)"
    install_packages bind9-dnsutils curl git
    write_site

    heading 'The site: etcd, registry, gateway, dns'
    run pydeploy up
    if pydeploy status "$change" >/dev/null 2>&1; then
        heading 'An earlier demo has left its environment'
        run pydeploy remove "$change"
    fi

    make_repository
    heading "Change $change, patchset 1"
    commit 'Say hello'
    deploy 1
    local first=$url
    fetch

    heading "Change $change, patchset 2: another revision, the same name"
    sed -i 's/Hello from change/Hello again from change/' source/page.html
    commit 'Say hello again'
    deploy 2
    fetch
    [ "$first" = "$url" ] || fail "the name has changed: $first, then $url" 'please report it'

    heading 'What runs'
    run pydeploy status

    heading 'To play on'
    cat <<END
export PYDEPLOY_SITE=$PYDEPLOY_SITE
. $root/.venv/bin/activate
pydeploy logs $change; pydeploy new hello; pydeploy --help

make demo-down      removes all of it

END
    echo "$url"
}

# Environments first: etcd knows what of them is where. If it does not answer (a set-up that was
# broken off), their labels do.
down() {
    if [ ! -f "$PYDEPLOY_SITE" ] && [ -z "$(docker ps --all --quiet --filter "$parts")" ]; then
        echo 'demo: nothing is there'
        return
    fi
    [ -f "$PYDEPLOY_SITE" ] || write_site
    local found names
    if found=$(pydeploy status --json 2>/dev/null); then
        mapfile -t names < <(sed -n 's/^    "name": "\(.*\)",$/\1/p' <<<"$found")
        if [ "${#names[@]}" -gt 0 ]; then run pydeploy remove "${names[@]}"; fi
        run pydeploy prune
    fi
    sweep
    run pydeploy down --purge --force
    rm -rf "$state"
    rmdir --ignore-fail-on-non-empty "$(dirname "$state")"
    remove_images
}

sweep() {
    docker ps --all --quiet --filter "$ours" | xargs -r docker rm --force --volumes >/dev/null
    docker network ls --quiet --filter "$ours" | xargs -r docker network rm >/dev/null
    docker volume ls --quiet --filter "$ours" | xargs -r docker volume rm >/dev/null
}

# The demo's own, and those of the site's parts unless another site uses them; all of them come
# back from the builder's cache in seconds.
remove_images() {
    local name='{{if eq .Tag "<none>"}}{{.ID}}{{else}}{{.Repository}}:{{.Tag}}{{end}}' version image
    version=$(pydeploy --version)
    # Ours, however deep their names are, and of the parts those that no other site runs.
    for image in $(docker image ls --format "{{.Repository}} $name" | sed -n 's|^127\.0\.0\.1:15000/pydeploy/[^ ]* ||p') \
        $(docker image ls --format "$name" --filter "reference=pydeploy-platform/*:${version##* }"); do
        [ -z "$(docker ps --all --quiet --filter "ancestor=$image")" ] || continue
        docker image rm "$image" >/dev/null 2>&1 || true
    done
}

[ "$(id -u)" -eq 0 ] || fail 'the demo needs root: it may have to install an engine' 'sudo make demo'
case ${1:-up} in
up) up ;;
down) down ;;
*)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac

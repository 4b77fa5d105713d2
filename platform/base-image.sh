#!/bin/sh
# Make sure that the image debian:bookworm-slim, which all our Dockerfiles start from, is there.
#
# It is pulled where a registry can be reached. Elsewhere it is made from Debian's packages with
# mmdebstrap: the same content as the published one (essential packages and apt, without
# documentation), and with this machine's own sources of the Debian archive in it, because where no
# registry can be reached, Debian's public mirrors often cannot either.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
image=debian:bookworm-slim
suite=bookworm
pull_within=15 # seconds; without a network the engine would try for minutes
. "$here/functions.sh"

has_image() { docker image inspect "$image" >/dev/null 2>&1; }

# The one-line sources of this machine for $suite, its updates and its security fixes.
machine_sources() {
    # shellcheck disable=SC2016 # the $(...) are apt's
    apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk -v suite="$suite" '$1 == "Debian" && index($2, suite) == 1 {
            key = "deb " $4 " " $2
            if (!(key in components)) order[++count] = key
            if (index(components[key] " ", " " $3 " ") == 0) components[key] = components[key] " " $3
        }
        END { for (i = 1; i <= count; i++) print order[i] components[order[i]] }'
}

# Snapshots of the archive are older than their Release files allow; such settings belong to the
# source, and have to travel with it.
machine_apt_conf() {
    apt-config dump --format '%F "%v";%n' |
        grep -E '^Acquire::(Check-Valid-Until|Check-Date|Max-ValidTime)' || true
}

# What the published image sets as well: nothing is kept that only makes layers bigger.
image_apt_conf() {
    cat <<END
APT::Keep-Downloaded-Packages "false";
Acquire::Languages "none";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
}

make_image() {
    [ "$(id -u)" -eq 0 ] || fail "$image cannot be pulled, and only root can make it" "sudo $here/base-image.sh"
    install_packages mmdebstrap
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    machine_sources >"$work/sources.list"
    [ -s "$work/sources.list" ] || fail "apt knows no Debian archive with $suite" \
        "add one (deb URI $suite main) to /etc/apt/sources.list.d, apt-get update, and run this again"
    machine_apt_conf >"$work/80machine" # applied by mmdebstrap already, and left in the image
    image_apt_conf >"$work/90image"
    include=apt
    if grep -q '^deb https:' "$work/sources.list"; then include=apt,ca-certificates; fi

    # shellcheck disable=SC2016 # the hooks are run by mmdebstrap, which sets $1 to the new root
    mmdebstrap --quiet --mode=root --variant=essential --include="$include" \
        --aptopt='Acquire::Retries "3"' --aptopt="$work/80machine" \
        --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' \
        --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="copy-in '$work/90image' /etc/apt/apt.conf.d" \
        --customize-hook='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod +x "$1/usr/sbin/policy-rc.d"' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*.log "$1"/var/log/apt' \
        --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf"' \
        "$suite" "$work/image.tar" "$work/sources.list" 2>"$work/log" || {
        tail -n 20 "$work/log" >&2
        fail "mmdebstrap could not make $image" 'look at its messages above, then run this again'
    }
    docker import --change 'CMD ["bash"]' --message 'made by pydeploy with mmdebstrap' \
        "$work/image.tar" "$image" >/dev/null ||
        fail "the engine did not take the image $image" 'is its disk full? try: docker system df'
    echo "base image: made $image with mmdebstrap"
}

if has_image; then exit 0; fi
take_turns base-image
if has_image; then exit 0; fi

if timeout "$pull_within" docker pull --quiet "$image" >/dev/null 2>&1; then
    echo "base image: pulled $image"
    exit 0
fi
make_image

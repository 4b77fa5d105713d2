#!/bin/sh
# Make packages of Debian 13 (trixie) installable by name on Debian 12, and change nothing else.
#
# bookworm has no Compose v2, no Buildx and an etcd of 2022; trixie's packages of them need only
# libc6 >= 2.34 and so install on bookworm. The pin keeps everything else where it is: at priority 1
# a trixie version is only taken where it is asked for (`apt-get install name/trixie`) or where
# bookworm has no such package at all.
#
# The archive is the one this system already uses; its address is asked of apt, so that a mirror of
# the company works and both formats of apt sources do.
#
# Runs on the machine (engine.sh, setup.sh) and inside image builds (etcd/Dockerfile).
set -eu

. "$(dirname "$0")/functions.sh"

# shellcheck source=/dev/null
codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
case $codename in
bookworm) ;;
'') fail 'cannot tell which Debian this is: /etc/os-release names no VERSION_CODENAME' \
    'use Debian 12 (bookworm) or newer' ;;
*) exit 0 ;; # newer than bookworm: its own packages will do, engine.sh checks their versions
esac

# Others publish suites called "bookworm" as well; only Debian's own says so in its Release file.
archive_uri() {
    # shellcheck disable=SC2016 # the $(...) are apt's
    apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk -v codename="$codename" '$1 == "Debian" && $2 == codename && $3 == "main" { print $4; exit }'
}

sources=/etc/apt/sources.list.d/pydeploy-trixie.sources
pin=/etc/apt/preferences.d/pydeploy-trixie

if [ -s "$sources" ] && [ -s "$pin" ] && apt-cache show 'docker-buildx' >/dev/null 2>&1; then
    exit 0
fi

update_package_lists
uri=$(archive_uri)
[ -n "$uri" ] || fail "apt has no source of Debian's own $codename archive" \
    "add one (deb URI $codename main) to /etc/apt/sources.list.d and run this again"

mkdir -p "$(dirname "$sources")" "$(dirname "$pin")"
cat >"$pin" <<END
# Written by pydeploy: nothing comes from trixie unless it is asked for by name.
Package: *
Pin: release n=trixie
Pin-Priority: 1
END
cat >"$sources" <<END
# Written by pydeploy, see preferences.d/pydeploy-trixie.
Types: deb
URIs: $uri
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
update_package_lists
echo "apt: trixie's packages can be installed by name (pin priority 1)"

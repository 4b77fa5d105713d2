#!/bin/sh
# get-etcd.sh TARGET: put Debian's etcd there, for the unit tests, which start and kill their own.
#
# Only the program is taken from the package: to install it would start a service on etcd's port.
set -eu

target=$1
platform=$(cd "$(dirname "$0")/../../platform" && pwd)
# shellcheck source=platform/functions.sh
. "$platform/functions.sh"

if found=$(command -v etcd); then
    ln -sf "$found" "$target"
    exit
fi
if [ "$(id -u)" -eq 0 ]; then "$platform/trixie.sh"; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# shellcheck disable=SC2046 # a list of words is wanted
download() { apt-get download -q $(from_trixie etcd-server); }
download >log 2>&1 || { update_package_lists && quietly download; } ||
    fail 'etcd-server could not be downloaded' 'put an etcd 3.5 on PATH, then run this again'
dpkg-deb -x etcd-server_*.deb .
cd - >/dev/null
install "$folder/usr/bin/etcd" "$target"
echo "etcd: put $("$target" --version | head -n 1) into $(dirname "$target")"

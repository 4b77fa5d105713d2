#!/bin/sh
# Make a bare Debian 12 (or newer) ready for pydeploy.
#
#   setup.sh           packages, Docker Engine, base image, virtual environment: what pydeploy needs
#   setup.sh --check   only the virtual environment with the tools of `make check`; no engine
#   setup.sh --test    all of it, and what the tests need on top
#
# May be run any number of times; a second run finds the work done and takes about a second.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
. "$here/functions.sh"

mode=${1:-run}
case $mode in
run | --check | --test) ;;
*)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac

# The first Python that is new enough, Debian's own before others on PATH.
find_python() {
    for candidate in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail 'no Python 3.11 or newer with venv was found' 'apt-get install python3 python3-venv'
}

# What has to change for the virtual environment to be out of date.
fingerprint() {
    {
        printf '%s %s\n' "$mode" "$("$root/.venv/bin/python" --version 2>&1)"
        cat "$root/pyproject.toml" "$root"/requirements/*.txt 2>/dev/null || true
    } | sha256sum | cut -d ' ' -f 1
}

pip_install() {
    # pip reads the configuration of this machine (pip.conf, PIP_*): its index, its certificates.
    quietly "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
        fail "pip install $* failed" 'look at its messages above, then run this again'
}

make_venv() {
    [ -x "$root/.venv/bin/python" ] && "$root/.venv/bin/python" -c '' 2>/dev/null && return
    rm -rf "$root/.venv"
    python=$(find_python)
    quietly "$python" -m venv "$root/.venv" ||
        fail "$python -m venv failed" 'apt-get install python3-venv, then run this again'
    echo "python: made .venv with $("$python" --version)"
}

fill_venv() {
    stamp=$root/.venv/.pydeploy-${mode#--}
    [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint)" ] && return
    if [ -f "$root/requirements/runtime.txt" ]; then
        pip_install --require-hashes -r "$root/requirements/runtime.txt"
    fi
    if [ "$mode" != run ] && [ -f "$root/requirements/dev.txt" ]; then
        pip_install --require-hashes -r "$root/requirements/dev.txt"
    fi
    if [ -f "$root/pyproject.toml" ]; then
        pip_install --no-deps -e "$root"
        # As in an installed package: else each start compiles it anew where Python may not write.
        quietly "$root/.venv/bin/python" -m compileall -q "$root/pydeploy"
    fi
    fingerprint >"$stamp"
    echo 'python: installed pydeploy into .venv'
}

take_turns setup
if [ "$(id -u)" -eq 0 ]; then
    install_packages python3 python3-venv git curl ca-certificates make
fi
if [ "$mode" != --check ]; then
    sh "$here/engine.sh"
    sh "$here/base-image.sh"
fi
if [ "$mode" = --test ]; then
    # A browser, the linter of these scripts, and second opinions: etcdctl, dig, ss, ip.
    install_packages chromium chromium-driver shellcheck bind9-dnsutils iproute2 busybox-static openssl
    # The other end of an engine that is reached by ssh; the tests start it, on an address of theirs.
    install_packages openssh-server openssh-client
    # The Jenkins steps in vars/ are Groovy; a real Gerrit is made of parts from Maven's repository.
    install_packages maven openjdk-17-jdk-headless
    sh "$here/trixie.sh"
    # shellcheck disable=SC2046 # a list of words is wanted
    install_packages $(from_trixie etcd-client)
fi
make_venv
fill_venv

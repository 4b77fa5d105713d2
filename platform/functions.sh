# Words shared by the scripts of this folder; sourced, not run.
# shellcheck shell=sh

# fail WHAT REMEDY: exit 6 says that a service we need does not answer (docs/errors.md).
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    printf '  -> %s\n' "$2" >&2
    exit 6
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# quietly COMMAND...: its output is shown only if it fails.
quietly() {
    _out=$(mktemp)
    _rc=0
    "$@" >"$_out" 2>&1 || _rc=$?
    [ "$_rc" -eq 0 ] || tail -n 30 "$_out" >&2
    rm -f "$_out"
    return "$_rc"
}

_apt_install() {
    env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes \
        apt-get install -y -q --no-install-recommends \
        -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

update_package_lists() {
    quietly apt-get update -q -o Acquire::Retries=3 ||
        fail 'apt-get update failed' 'look at its messages above; does the package mirror answer?'
}

# install_packages NAME...: those that are missing, and nothing beside what they need.
install_packages() {
    _missing=
    for _name; do
        is_installed "${_name%%/*}" || _missing="$_missing $_name"
    done
    [ -n "$_missing" ] || return 0
    [ "$(id -u)" -eq 0 ] || fail "these packages are missing:$_missing" "sudo apt-get install$_missing"
    # Lists that are missing or out of date are the usual reason to fail; they are fetched only then.
    # shellcheck disable=SC2086 # a list of words is wanted
    _apt_install $_missing >/dev/null 2>&1 || {
        update_package_lists
        quietly _apt_install $_missing ||
            fail "apt-get could not install$_missing" 'look at its messages above, then run this again'
    }
    echo "apt: installed$_missing"
}

# from_trixie NAME...: prints NAME/trixie for each where trixie.sh had to offer them, else NAME.
from_trixie() {
    for _name; do
        if [ -s /etc/apt/sources.list.d/pydeploy-trixie.sources ]; then
            printf '%s/trixie ' "$_name"
        else
            printf '%s ' "$_name"
        fi
    done
}

# take_turns NAME: a second run waits here for the first; the lock goes with this process.
# Daemons must be started with 9>&-, or they keep it.
take_turns() {
    if [ "$(id -u)" -eq 0 ]; then _folder=/run/lock; else _folder=${XDG_RUNTIME_DIR:-/tmp}; fi
    exec 9>"$_folder/pydeploy-$1.lock"
    flock 9
}

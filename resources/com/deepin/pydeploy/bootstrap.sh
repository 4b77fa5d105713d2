#!/bin/sh
# Become pydeploy, of the version that the requirements.txt beside this file names.
#
#   sh bootstrap.sh ARGUMENT...
#
# 1. That version is on PATH: it is used.
# 2. Its virtual environment is in the cache: it is used.
# 3. Else it is made there, once, by whoever comes first, and every file is checked by its hash.
#
# Whatever the case, this ends by `exec`: signals reach the tool, and the exit code is the tool's.
# What cannot be had is exit 6, the operator's turn.  Runs in any folder, and takes nothing from it:
# that folder is the change.  docs/operations.md ("Agents") tells of the variables:
#
#   PYDEPLOY_CACHE       where environments are   else $XDG_CACHE_HOME/pydeploy, ~/.cache/pydeploy
#   PYDEPLOY_WHEELS      a folder with the wheels: no index is asked
#   PYDEPLOY_INDEX_URL   an index                 else what pip's own configuration says
#   PYDEPLOY_CACHE_DAYS  environments that were not used for so long go (30)
#   PYDEPLOY_CACHE_WAIT  seconds to wait for another process that makes the environment (600)
#   PYDEPLOY_RESULT      a folder: where the result is written if it does not come to the tool
#   PYDEPLOY_STEP        what the tool is to do: whose result that is, with BUILD_TAG
#
# In the cache, for KEY = <version>-<hash of requirements.txt>:
#   KEY -> KEY.XXXXXX    a link, made when all is done: an environment without one does not count
#   KEY.lock             shared by all who run it; its time is that of the last use
#   building             the lock of who makes or removes environments; says who that is
set -eu

case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
sources=multi-key-dict # what there is no wheel of, and what builds it
builders="setuptools|wheel"
child=
version=

say() { printf 'pydeploy: %s\n' "$1" >&2; }

# -- ending without the tool ------------------------------------------------------------

# percent TEXT: as in result.properties, every byte that is not unreserved as %XX.
percent() {
    printf '%s' "$1" | od -An -v -tx1 | LC_ALL=C awk '
        BEGIN {
            for (code = 33; code < 127; code++) {
                sign = sprintf("%c", code)
                if (sign ~ /[A-Za-z0-9._~-]/) plain[sprintf("%02x", code)] = sign
            }
        }
        { for (at = 1; at <= NF; at++) printf "%s", ($at in plain) ? plain[$at] : "%" toupper($at) }'
}

# quoted TEXT: a string of JSON.
quoted() {
    printf '%s' "$1" | od -An -v -tx1 | LC_ALL=C awk '
        BEGIN {
            for (code = 32; code < 256; code++) plain[sprintf("%02x", code)] = sprintf("%c", code)
            plain["22"] = "\\\""; plain["5c"] = "\\\\"; plain["7f"] = "\\u007f"
            printf "\""
        }
        { for (at = 1; at <= NF; at++) printf "%s", ($at in plain) ? plain[$at] : "\\u00" $at }
        END { printf "\"" }'
}

# written NAME: stdin becomes the result file NAME.  By a rename, so that a link of that name,
# which the change may have brought along, is replaced and not followed.
written() {
    _new=$(mktemp "$PYDEPLOY_RESULT/.$1.XXXXXX") && cat >"$_new" && chmod 644 "$_new" &&
        mv -f "$_new" "$PYDEPLOY_RESULT/$1"
}

# result STATE CODE CLASS FAULT MESSAGE HINT LOGS: what the tool would have written, so that whoever
# waits for its result need not know how far we came.
result() {
    [ -n "${PYDEPLOY_RESULT:-}" ] || return 0
    _step=$(printf '%s' "${PYDEPLOY_STEP:-}" | sed -n '1s/^{"step": *"\([a-z]*\)".*/\1/p')
    {
        mkdir -p -- "$PYDEPLOY_RESULT" &&
            printf '%s=%s\n' ${_step:+step "$_step"} ${BUILD_TAG:+build "$(percent "$BUILD_TAG")"} \
                state "$1" exitCode "$2" \
                error.class "$3" error.fault "$4" error.exitCode "$2" \
                error.message "$(percent "$5")" ${6:+error.hint "$(percent "$6")"} \
                file "$(percent "$PYDEPLOY_RESULT/result.json")" |
            written result.properties &&
            printf '{"step": "%s", "build": %s, "state": "%s", "exit_code": %d, "error": {"class": "%s", "fault": "%s", "exit_code": %d, "message": %s, "hint": %s, "logs": %s}}\n' \
                "$_step" "$(quoted "${BUILD_TAG:-}")" \
                "$1" "$2" "$3" "$4" "$2" "$(quoted "$5")" "$(quoted "$6")" "$(quoted "$7")" |
            written result.json
    } || say "warning: the result could not be written to $PYDEPLOY_RESULT"
}

# fail MESSAGE HINT [LOG]: the operator's turn.
fail() {
    trap - EXIT
    say "error: $1"
    if [ -n "${3:-}" ]; then
        say 'last lines of its output:'
        printf '%s\n' "$3" | sed 's/^/pydeploy:   | /' >&2
    fi
    printf 'pydeploy:   \342\206\222 %s\n' "$2" >&2 # an arrow; this file is ASCII, whoever copies it
    say "  (ServiceError: the operator's turn, exit 6)"
    result failed 6 ServiceError operator "$1" "$2" "${3:-}"
    exit 6
}

# broken CODE: a command failed that never should, and that code would be somebody else's fault.
broken() {
    fail "pydeploy $version could not be started on agent $(uname -n): bootstrap.sh ended with $1" \
        'the lines above say why: a program that is missing, a full disk'
}

# has_ended PID: no more, or only waited for by us.
has_ended() {
    { read -r _stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    case $_stat in *') Z '*) ;; *) return 1 ;; esac
}

# interrupted NUMBER: what was begun is ended; who comes next removes what it left.
interrupted() {
    trap - EXIT
    trap '' HUP INT TERM
    if [ -n "$child" ]; then
        until has_ended "$child"; do # a signal to who was forked just now may be lost on them
            kill "$child" 2>/dev/null || true
            sleep 0.1
        done
        wait "$child" || true
    fi
    say "interrupted by signal $1"
    result aborted $((128 + $1)) Interrupted none "interrupted by signal $1" '' ''
    exit $((128 + $1))
}

# watched COMMAND...: runs it so that a signal is heard meanwhile.
watched() {
    "$@" &
    child=$!
    _code=0
    wait "$child" || _code=$?
    child=
    return "$_code"
}

# -- what is wanted ---------------------------------------------------------------------

# The first entry of requirements.txt is pydeploy itself, on two lines: the pin, the hash.
read_requirements() {
    requirements=$here/requirements.txt
    hint='copy the whole folder resources/com/deepin/pydeploy of one version'
    [ -r "$requirements" ] || fail "there is no $requirements" "$hint"
    { read -r pin && read -r wheel_hash; } <"$requirements" || pin=
    version=${pin#pydeploy==}
    version=${version%% *}
    case $version in
    '' | *[!0-9A-Za-z.+]*) fail "$requirements does not begin with a version of pydeploy" "$hint" ;;
    esac
}

# number NAME VALUE: a variable that counts something.
number() {
    case $2 in
    '' | *[!0-9]* | 0?*) fail "$1 is '$2', not a number" "set $1 to a whole number, or not at all" ;;
    esac
}

# -- 1. on PATH -------------------------------------------------------------------------

# What a relative entry of PATH names would be the change's, here and for all that the tool runs.
drop_relative_path() {
    _rest=$PATH:
    _kept=
    while [ -n "$_rest" ]; do
        case $_rest in /*) _kept=$_kept${_kept:+:}${_rest%%:*} ;; esac
        _rest=${_rest#*:}
    done
    PATH=${_kept:-/usr/local/bin:/usr/bin:/bin} # an empty one would be this folder
    export PATH
}

absolute_path() { # of a program, and not of what the shell itself has
    _found=$(command -v "$1") || return 1
    case $_found in /*) printf '%s' "$_found" ;; *) return 1 ;; esac
}

is_on_path() {
    tool=$(absolute_path pydeploy) || return 1
    [ "$("$tool" --version 2>/dev/null </dev/null)" = "pydeploy $version" ]
}

# -- 2. in the cache --------------------------------------------------------------------

choose_cache() {
    case ${PYDEPLOY_CACHE:-}:${XDG_CACHE_HOME:-}:${HOME:-} in
    [!:]*) cache=$PYDEPLOY_CACHE ;;
    :/*) cache=$XDG_CACHE_HOME/pydeploy ;;
    *:/*) cache=$HOME/.cache/pydeploy ;;
    *)
        fail 'there is no place for the environments: neither PYDEPLOY_CACHE nor HOME is set' \
            'set PYDEPLOY_CACHE for this agent to a folder of its user, such as /var/cache/pydeploy'
        ;;
    esac
    case $cache in
    /*) ;;
    *) fail "PYDEPLOY_CACHE is '$cache', not an absolute path" 'set it to one' ;;
    esac
}

# Who may write there decides what runs as us.
open_cache() {
    [ -d "$cache" ] || (umask 077 && mkdir -p -- "$cache" 2>/dev/null) ||
        fail "the folder $cache cannot be made by user $(id -un)" \
            "install -d -m 700 -o $(id -un) $cache (as root), or set PYDEPLOY_CACHE to another folder"
    _named=$cache
    cache=$(CDPATH='' cd -P -- "$_named" 2>/dev/null && pwd -P) ||
        fail "the folder $_named cannot be entered by user $(id -un)" \
            'give it to that user, or set PYDEPLOY_CACHE to another folder'
    _owner=$(stat -c '%u %a' -- "$cache")
    _mode=${_owner#* }
    if [ "${_owner% *}" != "$(id -u)" ]; then
        fail "the folder $cache belongs to user $(stat -c %U -- "$cache"), not to $(id -un)" \
            "chown -R $(id -un) $cache after a look into it, or set PYDEPLOY_CACHE to another folder"
    fi
    case $_mode in
    *[2367]? | *[2367])
        fail "others may write to the folder $cache (mode $_mode)" \
            "look into it, remove it, and make it anew: mkdir -m 700 $cache"
        ;;
    esac
    _hash=$(sha256sum <"$requirements")
    _rest=${_hash#????????????}
    ready=$cache/$version-${_hash%"$_rest"}
}

is_ready() { [ -x "$ready/bin/python" ]; } # no longer, once its interpreter was upgraded away

# Asked for after `command exec`: a plain `exec` that fails ends the shell with 2, the author's turn.
cannot_open() { fail "$1 cannot be written" 'is the disk full, or read-only?'; }

# Returns if there is no environment.  Opening the lock renews its time.  The tool keeps the
# descriptor, and with it the lock, for as long as it runs.
run_if_ready() {
    is_ready || return 0
    { command exec 9>"$ready.lock"; } 2>/dev/null || cannot_open "$ready.lock"
    flock -s -w "$wait_limit" 9 ||
        fail "$ready.lock was held for $wait_limit s" "fuser -v $ready.lock says by whom"
    if is_ready; then
        trap - HUP INT TERM
        exec "$ready/bin/python" -I -m pydeploy "$@"
    fi
    exec 9>&-
}

# -- 3. made ----------------------------------------------------------------------------

# The first Python on PATH that is new enough and complete, as the interpreter itself and not a link
# to it: an environment must notice when that version goes.
find_python() {
    _seen=
    for _name in python3 python3.14 python3.13 python3.12 python3.11; do
        _one=$(absolute_path "$_name") || continue
        _code=0
        python=$(cd / && "$_one" -I -c '
import os, sys
if sys.version_info < (3, 11):
    print("%d.%d" % sys.version_info[:2])
    sys.exit(3)
try:
    import ensurepip, venv
except ImportError:
    print("%d.%d" % sys.version_info[:2])
    sys.exit(4)
print(os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))
' 2>/dev/null </dev/null) || _code=$?
        case $_code in
        0) return ;;
        3) _seen="$_seen; $_one is $python, too old" ;;
        4) _seen="$_seen; $_one is $python, but without venv" ;;
        esac
    done
    case $_seen in
    *without*) _hint='apt-get install python3-venv (as root, on this agent)' ;;
    *) _hint='apt-get install python3 python3-venv (as root, on this agent)' ;;
    esac
    fail "no Python 3.11 or newer with venv is on PATH of agent $(uname -n)$_seen" "$_hint"
}

# What decides what is installed comes from requirements.txt and the site, not from the variables of
# a build.  With a folder of wheels nothing else counts.
choose_source() {
    for _name in $(env | sed -n 's/^\(PYTHON[A-Z0-9_]*\)=.*/\1/p; s/^\(PIP_[A-Z0-9_]*\)=.*/\1/p'); do
        case ${PYDEPLOY_WHEELS:+wheels}$_name in
        PIP_INDEX_URL | PIP_EXTRA_INDEX_URL | PIP_FIND_LINKS | PIP_NO_INDEX | PIP_CONFIG_FILE) ;;
        PIP_CERT | PIP_CLIENT_CERT | PIP_TRUSTED_HOST | PIP_PROXY) ;;
        PIP_TIMEOUT | PIP_DEFAULT_TIMEOUT | PIP_RETRIES) ;;
        *) unset "$_name" ;;
        esac
    done
    if [ -n "${PYDEPLOY_WHEELS:-}" ]; then
        export PIP_CONFIG_FILE=/dev/null
    elif [ -n "${PYDEPLOY_INDEX_URL:-}" ]; then
        unset PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX
        export PIP_INDEX_URL="$PYDEPLOY_INDEX_URL" # not an argument: it may hold a password
    fi
}

# installed ARGUMENT...: by the pip of the new environment, each file checked by its hash.
installed() {
    watched "$new/bin/python" -I -m pip install --require-hashes \
        --no-input --no-cache-dir --disable-pip-version-check --progress-bar off "$@"
}

# entries_of NAMES: the entries of requirements.txt with one of these names (a|b), hashes and all.
entries_of() {
    awk -v names="$1" '/^[^ #]/ { wanted = $0 ~ "^(" names ")==" } wanted' "$requirements"
}

# Runs in a process of its own, which keeps the lock on `building` to its end, and publishes what it
# has made: if only its parent is killed, nothing is lost.  `new` is the final place, because an
# environment cannot be moved.
fill() {
    trap 'kill "$child" 2>/dev/null; exit 143' TERM
    umask 077
    exec >"$new/install.log" 2>&1
    cd / || return
    choose_source
    set -- ${PYDEPLOY_WHEELS:+--no-index --find-links "$PYDEPLOY_WHEELS"}
    watched "$python" -I -m venv "$new" || return
    # Wheels run nothing of their own. What there is as a source only is built, by builders that were
    # checked like everything else, and not by the newest ones that pip would fetch.
    entries_of "$builders" >"$new/builders.txt"
    [ ! -s "$new/builders.txt" ] || installed --only-binary :all: -r "$new/builders.txt" "$@" || return
    installed --no-build-isolation --only-binary :all: --no-binary "$sources" \
        -r "$requirements" "$@" || return
    _told=$("$new/bin/python" -I -m pydeploy --version) || return
    if [ "$_told" != "pydeploy $version" ]; then
        echo "it calls itself '$_told'"
        return 1
    fi
    ln -s "${new##*/}" "$ready.next" && mv -fT "$ready.next" "$ready"
}

# remove LINK FOLDER: unless somebody runs it, who would hold the lock.  The lock's file stays, or
# somebody who waits for it would hold one that nobody else sees.
remove() (
    exec 7>>"$1.lock"
    flock -x -n 7 || return 0
    [ "$(readlink "$1")" != "${2##*/}" ] || rm -f "$1"
    rm -rf "$2" || true # the next one takes what is left
)

# Folders to which no link leads: of whoever was killed in the middle, because we have the lock of
# those who make environments; or of an interpreter that is gone.
remove_leftovers() {
    rm -f "$cache"/*.next
    for _folder in "$cache"/*.??????; do
        if [ -d "$_folder" ] && [ "$(readlink "${_folder%.*}")" != "${_folder##*/}" ]; then
            remove "${_folder%.*}" "$_folder"
        fi
    done
}

# Other versions that nobody has used for long; whoever began to use one just now holds the lock.
prune() {
    for _lock in "$cache"/*.lock; do
        _link=${_lock%.lock}
        if [ -h "$_link" ] && [ "$_link" != "$ready" ] && is_old "$_lock"; then
            remove "$_link" "$cache/$(readlink "$_link")"
            [ -h "$_link" ] || say "removed $_link: not used for $cache_days days"
        fi
    done
}

is_old() { [ -n "$(find "$1" -mtime "+$((cache_days - 1))")" ]; }

from_where() {
    if [ -n "${PYDEPLOY_WHEELS:-}" ]; then
        printf 'the folder %s' "$PYDEPLOY_WHEELS"
    elif [ -n "${PYDEPLOY_INDEX_URL:-}" ]; then
        printf 'the index of PYDEPLOY_INDEX_URL'
    else
        printf "the index of pip's configuration"
    fi
}

check_source() {
    _make="in a clone of pydeploy $version: make wheels DIR=${PYDEPLOY_WHEELS:-/folder}"
    case $wheel_hash in
    *sha256:0000000000000000*)
        fail "pydeploy $version is no release: no wheel of it can be checked" \
            "use a released version of the library; or, $_make, and use the resources/ of that clone"
        ;;
    esac
    case ${PYDEPLOY_WHEELS:-/} in
    /*) ;;
    *) fail "PYDEPLOY_WHEELS is '$PYDEPLOY_WHEELS', not an absolute path" 'set it to one' ;;
    esac
    [ -z "${PYDEPLOY_WHEELS:-}" ] || [ -r "$PYDEPLOY_WHEELS/." ] ||
        fail "the folder PYDEPLOY_WHEELS=$PYDEPLOY_WHEELS cannot be read on agent $(uname -n)" "$_make"
}

make_ready() {
    check_source
    find_python
    case $requirements in /*) ;; *) requirements=$PWD/$requirements ;; esac
    remove_leftovers
    new=$(umask 077 && mktemp -d "$ready.XXXXXX") || cannot_open "$cache"
    say "making pydeploy $version ready in $ready, from $(from_where)"
    if ! watched fill; then
        # An index's address may hold a password.
        _log=$(sed 's#://[^/[:space:]]*@#://***@#g' "$new/install.log" | tail -n 20)
        rm -rf "$new"
        fail "pydeploy $version could not be installed from $(from_where)" \
            "mend that; or give the agent the wheels ($_make) and set PYDEPLOY_WHEELS to the folder" \
            "$_log"
    fi
    remove_leftovers
    prune
}

take_turn() {
    { command exec 8>>"$cache/building"; } 2>/dev/null || cannot_open "$cache/building"
    if ! flock -n 8; then
        say "waiting for $(cat "$cache/building"), at most $wait_limit s"
        watched flock -w "$wait_limit" 8 ||
            fail "waited $wait_limit s for $(cat "$cache/building")" \
                "look at it on agent $(uname -n), and end it if it hangs"
    fi
    printf 'process %s, which makes pydeploy %s ready\n' "$$" "$version" >"$cache/building" ||
        cannot_open "$cache/building"
}

# -- the way ----------------------------------------------------------------------------

trap 'broken $?' EXIT
trap 'interrupted 1' HUP
trap 'interrupted 2' INT
trap 'interrupted 15' TERM

drop_relative_path
unset PYTHONPATH PYTHONHOME PYTHONUSERBASE PYTHONSTARTUP # they could name the change's own modules
read_requirements
if is_on_path; then
    trap - HUP INT TERM
    exec "$tool" "$@"
fi

wait_limit=${PYDEPLOY_CACHE_WAIT:-600}
cache_days=${PYDEPLOY_CACHE_DAYS:-30}
number PYDEPLOY_CACHE_WAIT "$wait_limit"
number PYDEPLOY_CACHE_DAYS "$cache_days"
command -v flock >/dev/null ||
    fail "flock is missing on agent $(uname -n)" 'apt-get install util-linux (as root, on this agent)'
choose_cache
open_cache
while :; do
    run_if_ready "$@"
    take_turn
    is_ready || make_ready
    exec 8>&-
done

#!/bin/sh
# Make sure that a Docker Engine with Compose v2 and Buildx answers.
#
# An engine that answers is used as it is: never reconfigured, never restarted; only missing
# command line plugins are installed. Otherwise engine, Compose and Buildx are installed from Debian
# packages and the daemon is started, by systemd where that is PID 1, else detached.
#
# May be run any number of times, and by several at once. Says one line per thing it did.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
log=/var/log/pydeploy-dockerd.log
ready_within=60 # seconds; 2-3 are usual, leftovers of a killed engine take longer

. "$here/functions.sh"

engine_answers() { timeout 10 docker info >/dev/null 2>&1; }
has_compose() { docker compose version >/dev/null 2>&1; }
has_buildx() { docker buildx version >/dev/null 2>&1; }
is_systemd() { [ -d /run/systemd/system ]; }

is_complete() { engine_answers && has_compose && has_buildx; }

install_plugins() {
    if is_installed docker-ce-cli; then # Docker's own packages conflict with Debian's
        install_packages docker-compose-plugin docker-buildx-plugin
        return
    fi
    sh "$here/trixie.sh"
    # shellcheck disable=SC2046 # a list of words is wanted
    install_packages $(from_trixie docker-compose docker-buildx)
}

install_engine() {
    sh "$here/trixie.sh"
    # shellcheck disable=SC2046 # a list of words is wanted
    install_packages $(from_trixie docker.io docker-cli docker-compose docker-buildx) \
        containerd runc iptables
}

# Whether process $1 runs, and is the program $2.  One that was killed and that nobody has asked for
# its end yet (a zombie) still has its name.
is_alive() {
    [ "$(cat "/proc/$1/comm" 2>/dev/null || true)" = "$2" ] || return 1
    case $(sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null || true) in
    '' | Z* | X*) return 1 ;;
    esac
}

# A pid file whose process is gone, or is by now another program's, keeps dockerd from starting:
# it refuses on any living process, and takes any living process for its containerd.
forget_dead() {
    pid_file=$1 program=$2
    [ -e "$pid_file" ] || return 0
    pid=$(cat "$pid_file" 2>/dev/null || true)
    case $pid in
    '' | *[!0-9]*) ;;
    *)
        if is_alive "$pid" "$program"; then return 0; fi
        ;;
    esac
    rm -f "$pid_file"
    echo "engine: removed $pid_file, left behind by an engine that died"
}

daemon= # the process id of a daemon that we started ourselves

start_engine() {
    if is_systemd; then
        systemctl enable --now docker.service >/dev/null 2>&1 ||
            fail 'systemd could not start docker.service' 'journalctl -u docker.service says why'
        return
    fi
    forget_dead /var/run/docker.pid dockerd
    forget_dead /var/run/docker/containerd/containerd.pid containerd
    if [ ! -e /var/run/docker.pid ]; then
        setsid dockerd </dev/null >>"$log" 2>&1 9>&- &
        daemon=$!
    fi
}

daemon_has_died() { [ -n "$daemon" ] && ! kill -0 "$daemon" 2>/dev/null; }

wait_for_engine() {
    deadline=$(($(date +%s) + ready_within))
    until engine_answers; do
        if daemon_has_died || [ "$(date +%s)" -ge "$deadline" ]; then
            is_systemd || tail -n 20 "$log" >&2
            fail "the engine was started but does not answer (waited at most $ready_within s)" \
                "the last lines of its log are above ($log); mend the cause and run this again"
        fi
        # What we took for an engine that is about to answer may have been one about to die.
        [ -n "$daemon" ] || start_engine
        sleep 0.2
    done
}

if is_complete; then exit 0; fi

if ! engine_answers && [ -n "${DOCKER_HOST:-}" ]; then
    fail "DOCKER_HOST is $DOCKER_HOST, but no engine answers there" \
        'start that engine, or unset DOCKER_HOST to use one on this machine'
fi
if [ "$(id -u)" -ne 0 ]; then
    if [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ]; then
        fail 'this user may not talk to the engine' \
            "sudo usermod -aG docker $(id -un), then log in again"
    fi
    fail 'an engine with Compose v2 and Buildx is missing, and only root can install it' \
        "sudo $here/engine.sh"
fi
command -v apt-get >/dev/null ||
    fail 'no engine answers, and this system has no apt to install one with' \
        'install Docker Engine 25 or newer with Compose v2 and Buildx, start it, run this again'

take_turns engine
if is_complete; then exit 0; fi

if ! engine_answers; then
    command -v dockerd >/dev/null || install_engine
    if ! engine_answers; then
        start_engine
        wait_for_engine
        echo "engine: started, version $(docker info --format '{{.ServerVersion}}')"
    fi
fi
if ! has_compose || ! has_buildx; then
    install_plugins
fi
is_complete || fail 'engine, Compose and Buildx were installed, but one of them does not answer' \
    'try: docker info; docker compose version; docker buildx version'

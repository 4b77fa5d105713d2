#!/bin/sh
# Run by test_engine.py in namespaces of its own: another /run, another data folder, another
# network. Starts an engine there with engine.sh, lets it die in several ways, starts it again.
set -eu
engine=$1 box=$2

mount -t tmpfs box /run
mkdir -p /run/lock /var/lib/docker "$box/log"
mount -t tmpfs box /var/lib/docker
mount --bind "$box/log" /var/log
ip link set lo up

mkdir -p "$box/root/bin"
cp /bin/busybox "$box/root/bin/sleep"

died() { # WHAT: start it again, and see that the container that should always run does
    sh "$engine"
    for _ in $(seq 100); do
        if [ "$(docker inspect -f '{{.State.Running}}' always)" = true ]; then
            echo "back after: $1"
            return
        fi
        sleep 0.1
    done
    echo "not back after: $1"
    exit 1
}
pid_of_engine() { cat /run/docker.pid; }
kill_hard() { kill -9 "$@" 2>/dev/null || true; sleep 0.3; }

sh "$engine"
tar -C "$box/root" -c . | docker import - sleeper >/dev/null
docker run --detach --name always --restart always --stop-signal KILL --network none \
    sleeper /bin/sleep 1000 >/dev/null
[ -z "$(sh "$engine")" ] # an engine that answers: nothing to do, nothing to say

kill_hard "$(pid_of_engine)"
died 'its death alone'

kill_hard "$(pid_of_engine)" "$(cat /run/docker/containerd/containerd.pid)"
died 'its death with containerd'

kill_hard "$(pid_of_engine)"
sleep 300 &
echo $! >/run/docker.pid
echo $! >/run/docker/containerd/containerd.pid
died 'its number was given to another process'

# A program of that name which has ended, and which its parent never asks for its end.
kill_hard "$(pid_of_engine)"
mkdir "$box/ended"
cp /bin/busybox "$box/ended/dockerd"
python3 -c '
import os, sys, time
child = os.fork()
if child == 0:
    os.execv(sys.argv[1], ["dockerd"])
open("/run/docker.pid", "w").write(str(child))
time.sleep(300)
' "$box/ended/dockerd" 2>/dev/null &
parent=$!
sleep 1
[ "$(cat "/proc/$(pid_of_engine)/comm")" = dockerd ]
died 'its death that nobody asked about'
kill "$parent"

# shellcheck disable=SC2046 # a list of numbers is wanted
kill_hard $(ps -eo pid,comm | awk '/dockerd|containerd/ { print $1 }')
died 'its death with all that belongs to it'

kill_hard "$(pid_of_engine)"
sh "$engine" >/dev/null &
first=$!
sh "$engine" >/dev/null &
wait "$first" $!
died 'two starts at once'
[ "$(pgrep -c -x dockerd)" = 1 ]

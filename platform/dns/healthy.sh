#!/bin/bash
# Whether the first domain is answered over UDP, with at least one address.
# bash, because it can open sockets without a further program.
set -eu
address=${PYDEPLOY_DNS_BIND:-127.0.0.1}
[ "$address" = 0.0.0.0 ] && address=127.0.0.1

name= # in the form of RFC 1035: each label after its length
IFS=. read -ra labels <<<"health.${PYDEPLOY_DNS_DOMAINS%% *}"
for label in "${labels[@]}"; do
    name+=$(printf '\\x%02x%s' "${#label}" "$label")
done

exec 3<>"/dev/udp/$address/${PYDEPLOY_DNS_PORT:-53}"
# shellcheck disable=SC2059 # the name is a format: its lengths are escapes
# id 1, recursion desired, one question: the name, type A, class IN
printf "\\x00\\x01\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00${name}\\x00\\x00\\x01\\x00\\x01" >&3
# Bytes 3 and 4 of the answer are its flags and code, 7 and 8 the number of records.
answer=$(timeout 8 head -c 12 <&3 | od -An -tu1)
read -r _ _ _ flags _ _ _ records _ <<<"$answer"
[ $((flags & 15)) -eq 0 ] && [ "$records" -ge 1 ]

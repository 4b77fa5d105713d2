#!/bin/sh
# Says hello and ends; exit status 0 is success, the log is the result.
set -eu

echo "$GREETING from ${PYDEPLOY_ENVIRONMENT:-nowhere}, revision ${PYDEPLOY_REVISION:-unknown}"
for step in 1 2 3; do
    echo "step $step of 3"
done
echo "done"

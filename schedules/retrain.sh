#!/usr/bin/env bash
# One night: train on a dataset version, and let the gate decide. Never two at once; a log a night.
#
#   schedules/retrain.sh dataset.tfds.version=3.0.1 training.start=champion
#
# The arguments are parameters, as 'kedro run --params' takes them. Where conf/local/retrain.env is
# there, it sets environment variables: MLFLOW_TRACKING_URI, KEDRO_ENV, passwords.
#
# What the run prints goes to stdout and to logs/retrain-TIME.log; why it did not promote, to stderr.
# Exit status: that of 'kedro run', where 0 is promoted (or waiting for approval, or unchanged),
# 1 refused, and any other could not run; 75 where another night is still running.
set -Eeuo pipefail

readonly COULD_NOT_RUN=2
readonly STILL_RUNNING=75 # EX_TEMPFAIL of sysexits.h

stop() {
  echo "retrain.sh: $2" >&2
  exit "$1"
}
# A command that fails here must not end as a refusal does, with 1.
trap 'stop $COULD_NOT_RUN "line $LINENO of ${BASH_SOURCE[0]} failed"' ERR

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
export PATH="$PWD/.venv/bin:$PATH" DO_NOT_TRACK=1 PYTHONUNBUFFERED=1
if [[ -f conf/local/retrain.env ]]; then
  set -a
  # shellcheck source=/dev/null
  source conf/local/retrain.env
  set +a
fi

command -v flock >/dev/null || stop $COULD_NOT_RUN "'flock' is missing; it is part of util-linux"
mkdir -p logs
exec {lock}>logs/retrain.lock
flock --nonblock "$lock" || stop $STILL_RUNNING "another night is still running in $PWD"

# Nor must a broken installation: Python ends with 1, too.
reason=$(python -c "import quantline.cli" 2>&1) ||
  stop $COULD_NOT_RUN "quantline is not installed in $PWD/.venv: ${reason##*$'\n'}"

log="logs/retrain-$(date -u +%Y-%m-%dT%H-%M-%SZ).log"
: >"$log"
parameters=$(IFS=, && echo "$*")
# The run keeps the lock open: should this script be killed, the lock is held for as long as it goes on.
quantline run --pipelines retrain ${parameters:+--params "$parameters"} >"$log" 2>&1 &
night=$!
trap 'kill -TERM "$night" 2>/dev/null || true' TERM INT HUP
tail --lines=+1 --follow --sleep-interval=0.2 --pid="$night" "$log" {lock}>&- &
while true; do
  wait "$night" && status=0 || status=$?
  kill -0 "$night" 2>/dev/null || break # else a signal ended 'wait', and not the run
done
wait
((status == 0)) || stop "$status" "exit status $status, see $log: $(tail --lines=1 "$log")"

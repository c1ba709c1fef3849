#!/usr/bin/env bash
# Runs the tests of a release against an MLflow server on PostgreSQL: installs what is missing,
# starts a database in a scratch folder, reached by a socket in it alone, and ends and removes it.
set -euo pipefail
cd "$(dirname "$0")/.."

find_server() { command -v pg_ctl || ls -d /usr/lib/postgresql/*/bin/pg_ctl 2>/dev/null | tail -n 1; }

if [[ -z $(find_server) ]]; then
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "PostgreSQL is not installed, and installing it takes root and apt-get." >&2
    echo "Install it (pg_ctl must be found), or name a database or an MLflow server that is there:" >&2
    echo "  QUANTLINE_TEST_TRACKING_URI=postgresql://... pytest tests/release/test_server.py" >&2
    exit 2
  fi
  apt-get update --quiet=2
  # Debian starts a database of its own with it; this one is another.
  apt-get install --quiet=2 --yes --no-install-recommends postgresql
fi
programs=$(dirname "$(realpath "$(find_server)")")

scratch=$(mktemp -d)
as_owner=()
if [[ $EUID -eq 0 ]]; then # PostgreSQL does not run as root
  chown postgres "$scratch"
  as_owner=(runuser -u postgres --)
fi
finish() {
  (cd / && "${as_owner[@]}" "$programs/pg_ctl" --pgdata="$scratch/data" --mode=fast --silent stop) || true
  rm -rf "$scratch"
}
trap finish EXIT

(
  cd "$scratch"
  "${as_owner[@]}" "$programs/initdb" --pgdata=data --username=mlflow --auth=trust >initdb.log
  "${as_owner[@]}" "$programs/pg_ctl" --pgdata=data --log=data/log --silent --wait \
    --options="-c listen_addresses='' -c unix_socket_directories='$scratch'" start
)
"$programs/createdb" --host="$scratch" --username=mlflow mlflow
"$programs/psql" --host="$scratch" --username=mlflow --no-align --tuples-only \
  --command='select version()' mlflow

# The driver is not a dependency of the project: it is installed next to the database.
python -m pip install --quiet --disable-pip-version-check --target="$scratch/driver" 'psycopg[binary]'
PYTHONPATH="$scratch/driver${PYTHONPATH:+:$PYTHONPATH}" \
QUANTLINE_TEST_TRACKING_URI="postgresql+psycopg://mlflow@/mlflow?host=$scratch" \
  python -m pytest -n 0 -v tests/release/test_server.py

echo "What PostgreSQL holds:"
"$programs/psql" --host="$scratch" --username=mlflow mlflow --command="
  select v.name, v.version, r.status as run, coalesce(a.alias, '') as alias
  from model_versions v join runs r on r.run_uuid = v.run_id
  left join registered_model_aliases a on (a.name, a.version) = (v.name, v.version)
  order by v.name, v.version"

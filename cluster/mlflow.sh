#!/usr/bin/env bash
# MLflow on the head of a cluster, its runs in PostgreSQL and its artifacts in a folder: starts what does not run yet.
#
# There is no password: the database has no port, only a socket in a folder that no other user may enter, and asks the
# system who connects. MLflow listens on the loopback address alone. That is enough: workers bring their records to the
# driver's node, which writes the ledger and MLflow. Everything is below ~/mlflow, and stays from one start to the next.
set -euo pipefail
umask 077
folder=$HOME/mlflow
programs=(/usr/lib/postgresql/*/bin) # where Debian and Ubuntu keep them
PATH=$PATH:${programs[-1]}
mkdir -p "$folder"/{socket,artifacts}

if [[ ! -d $folder/database ]]; then
    initdb --pgdata="$folder/database.new" --auth=peer --encoding=UTF8 --no-locale > "$folder/initdb.log"
    mv "$folder/database.new" "$folder/database"
fi
pg_ctl status --pgdata="$folder/database" > /dev/null || pg_ctl start --silent --pgdata="$folder/database" \
    --log="$folder/postgresql.log" --options="-c listen_addresses='' -c unix_socket_directories='$folder/socket'"
export PGHOST=$folder/socket
psql --quiet --dbname=mlflow --command='' 2> /dev/null || createdb mlflow

# Started again whenever it ends; whoever holds the lock does that, so there is one of them.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
# shellcheck disable=SC2016 # $0 is for the inner shell
setsid flock --nonblock --close "$folder/lock" bash -c '
    while true; do
        mlflow server --host 127.0.0.1 --port 5000 --workers 1 \
            --backend-store-uri "postgresql+psycopg2:///mlflow?host=$0/socket" --artifacts-destination "$0/artifacts"
        sleep 2
    done' "$folder" >> "$folder/server.log" 2>&1 < /dev/null &

for _ in {1..300}; do
    if (: < /dev/tcp/127.0.0.1/5000) 2> /dev/null; then exit 0; fi
    sleep 1
done
echo "MLflow did not start in 300 s: see $folder/server.log" >&2
exit 1

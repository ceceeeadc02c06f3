#!/usr/bin/env bash
# A PostgreSQL server of one's own, for tests: on a free port of 127.0.0.1, with its data in a temporary folder.
set -euo pipefail

usage() {
  cat >&2 <<END
usage: scripts/postgres_for_tests.sh start|halt|resume|stop FOLDER

  start   makes FOLDER, a database cluster and a server; FOLDER/url then holds its URL, password included
  halt    stops the server and keeps its data; resume starts it again on the same port
  stop    ends it and removes data and FOLDER

The server also ends with the process that called this script, so that none is left behind. It runs as the user postgres
or nobody when this is called by root. With ETLPIPE_SMALL_TABLESPACE set, 'start' offers a tablespace 'small' of 8 MB
where mounting is allowed.
END
  exit 2
}
(($# == 2)) || usage
command=$1 folder=$(realpath -m "$2") self=$(realpath "$0")

bin=$(pg_config --bindir 2>/dev/null || true)
[[ -x $bin/initdb ]] || bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
[[ -x $bin/initdb ]] || { echo "there is no PostgreSQL server (initdb): install the package postgresql" >&2; exit 1; }

# PostgreSQL refuses to run as root.
unprivileged=()
if ((EUID == 0)); then
  user=$(id -un postgres 2>/dev/null || echo nobody)
  unprivileged=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups --)
fi

quietly() {
  local log
  log=$("$@" 2>&1 </dev/null) || { printf '%s\n' "$log" >&2; return 1; }
}

# The processes of the server live in a mount namespace of their own: the small file system goes with the last of them.
launch() {
  local prefix=()
  if [[ -e $data/small ]]; then
    prefix=(unshare --mount bash -c 'mount -t tmpfs -o "size=8m,mode=700,$1" none "$0" && exec "${@:2}"'
      "$data/small/disk" "uid=$(id -u "$user"),gid=$(id -g "$user")")
  fi
  "${prefix[@]}" "${unprivileged[@]}" "$bin/pg_ctl" -D "$data/cluster" -l "$data/log" -w -t 60 -o "-p $1" start \
    </dev/null >/dev/null 2>&1
}

# Ends the server when the caller is gone.
watch_caller() {
  setsid bash -c 'tail --pid="$1" -f /dev/null; [[ $(cat "$2/watched" 2>/dev/null) == "$1" ]] && exec "$0" stop "$2"' \
    "$self" "$PPID" "$folder" </dev/null >/dev/null 2>&1 &
  echo "$PPID" >"$folder/watched"
}

end_server() { "${unprivileged[@]}" "$bin/pg_ctl" -D "$data/cluster" -m "$1" -w stop </dev/null >/dev/null 2>&1 || true; }

case $command in
  start)
    mkdir -p "$folder"
    if [[ -s $folder/data ]]; then "$self" stop "$folder" && mkdir -p "$folder"; fi
    data=$(mktemp -d "${TMPDIR:-/tmp}/etlpipe-postgres-XXXXXX")
    echo "$data" >"$folder/data"
    printf 'secret' >"$data/password"
    if [[ -n ${ETLPIPE_SMALL_TABLESPACE:-} ]] && unshare --mount true 2>/dev/null; then mkdir -p "$data/small/disk"; fi
    ((EUID != 0)) || chown -R "$user" "$data"
    quietly "${unprivileged[@]}" "$bin/initdb" -D "$data/cluster" -U postgres --pwfile="$data/password" \
      --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync
    cat >>"$data/cluster/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 64MB
max_connections = 40
max_prepared_transactions = 2
timezone = 'UTC'
END
    for ((attempt = 0; ; ++attempt)); do
      port=$((20000 + RANDOM % 30000))
      if launch "$port"; then break; fi
      ((attempt < 10)) || { cat "$data/log" >&2; exit 1; }
    done
    echo "$port" >"$folder/port"
    echo "postgresql://postgres:secret@127.0.0.1:$port/postgres" >"$folder/url"
    watch_caller
    ;;
  halt | resume | stop)
    [[ -s $folder/data ]] || exit 0
    data=$(<"$folder/data")
    case $command in
      halt) end_server fast ;;
      resume) launch "$(<"$folder/port")" ;;
      stop)
        end_server immediate
        rm -rf "$data" "$folder"
        ;;
    esac
    ;;
  *) usage ;;
esac

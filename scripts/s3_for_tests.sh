#!/usr/bin/env bash
# A real S3 server that checks signatures, on loopback: the RADOS gateway of Ceph, from Debian's packages ceph-mon,
# ceph-osd, radosgw and ceph-common, and python3. All objects are in memory.
#
#   s3_for_tests.sh FOLDER start     start it, wait until it answers (about 12 s), and print its settings
#   s3_for_tests.sh FOLDER stop      stop it, and delete the folder
#   s3_for_tests.sh FOLDER status    print the settings if it runs
#   s3_for_tests.sh FOLDER has       succeed if the programs are installed
#
# The settings are lines NAME=VALUE: S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY.
set -euo pipefail

[ $# -eq 2 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
access_key=test-access-key
secret_key=test-secret-key/with+odd=characters

say() { printf 's3_for_tests: %s\n' "$*" >&2; }

has() {
  local program
  for program in python3 monmaptool ceph-mon ceph-osd ceph radosgw radosgw-admin; do
    command -v "$program" >/dev/null || {
      say "$program is missing: install python3, ceph-mon, ceph-osd, radosgw and ceph-common"
      return 1
    }
  done
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

settings() {
  printf 'S3_ENDPOINT=http://127.0.0.1:%s\nS3_ACCESS_KEY=%s\nS3_SECRET_KEY=%s\n' "$(cat "$folder/port")" "$access_key" "$secret_key"
}

ready() {  # it answers a request without signature
  python3 -c 'if True:
    import http.client, sys
    gateway = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
    gateway.request("GET", "/")
    gateway.getresponse()' "$(cat "$folder/port")" 2>/dev/null
}

stop() {
  local file pid
  for file in "$folder"/run/*.pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    # Only a process that was started here.
    if grep -qz "$folder" "/proc/$pid/environ" 2>/dev/null; then
      kill -9 "$pid" 2>/dev/null || true
    fi
  done
  rm -rf "$folder"
}

# A monitor that has just started sometimes refuses a command ("problem getting command descriptions from mon"), even if
# it has answered other commands before.
until_deadline() {  # COMMAND ...: runs the command again and again until it succeeds
  until "$@"; do
    [ $SECONDS -lt $deadline ] || { echo "this command did not succeed in time: $*"; return 1; }
    sleep 0.2
  done
}

osd_is_up() { ceph osd stat | grep -q '1 up'; }

add_user() {
  radosgw-admin -n client.rgw.a user create --uid=test --display-name=test --access-key="$access_key" --secret="$secret_key" ||
    radosgw-admin -n client.rgw.a user info --uid=test --access-key="$access_key"
}

launch() {
  local mon fsid osd deadline
  mon=$(free_port)
  fsid=$(cat /proc/sys/kernel/random/uuid)
  osd=$(cat /proc/sys/kernel/random/uuid)
  free_port >"$folder/port"
  cat >"$folder/ceph.conf" <<END
[global]
fsid = $fsid
mon_initial_members = a
mon_host = v1:127.0.0.1:$mon
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_crush_update_on_start = false
osd_class_update_on_start = false
osd_objectstore = memstore
memstore_device_bytes = 1G
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
mon_data = $folder/mon
osd_data = $folder/osd
run_dir = $folder/run
pid_file = $folder/run/\$name.pid
log_file = $folder/log/\$name.log
admin_socket = $folder/run/\$name.asok
END
  export CEPH_CONF=$folder/ceph.conf
  monmaptool --create --addv a "[v1:127.0.0.1:$mon]" --fsid "$fsid" "$folder/monmap"
  ceph-mon --mkfs -i a --monmap "$folder/monmap"
  ceph-mon -i a
  deadline=$((SECONDS + 60))
  until_deadline ceph osd new "$osd"
  ceph-osd -i 0 --mkfs --osd-uuid "$osd"
  until_deadline ceph osd crush add osd.0 1.0 root=default
  # Debian 13's ceph-osd looks for its classes, which the gateway needs, in lib/... of the folder it starts in.
  (cd / && ceph-osd -i 0)
  until_deadline osd_is_up
  until_deadline add_user
  radosgw -n client.rgw.a --rgw-frontends "beast endpoint=127.0.0.1:$(cat "$folder/port")"
  until_deadline ready
}

start() {
  local attempt
  has
  for attempt in 1 2 3; do  # another program may have taken a port that was free
    [ ! -e "$folder/run" ] || stop
    mkdir -p "$folder"/{mon,osd,run,log}
    launch >"$folder/log/start.log" 2>&1 </dev/null &
    if wait $!; then
      settings | tee "$folder/settings"
      return
    fi
    say "attempt $attempt of 3 to start the server failed:"
    tail -n 15 "$folder/log/start.log" >&2
  done
  stop
  exit 1
}

mkdir -p "$1"
folder=$(cd "$1" && pwd)
case $2 in
  start) start ;;
  stop) stop ;;
  status) [ -e "$folder/port" ] && ready && settings ;;
  has) rmdir "$folder" 2>/dev/null || true; has ;;
  *) say "no such command: $2"; exit 2 ;;
esac

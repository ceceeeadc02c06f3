#!/usr/bin/env bash
# A small Apache Druid of one's own, for tests and for the guide: on free ports of 127.0.0.1, from Maven's artifacts.
set -euo pipefail

usage() {
  cat >&2 <<END
usage: scripts/druid_for_tests.sh install|start|restart-overlord|stop FOLDER

  install           downloads Druid (150 MB) into FOLDER/lib, if it is not there yet
  start             installs, starts a cluster and waits until it answers; FOLDER/url then holds the URL of its router
  restart-overlord  kills the process that leads the tasks, and starts it again on the same port
  stop              ends the cluster and removes its data; FOLDER/lib stays for the next start

Needs Java 17, and Maven for the download (Debian: openjdk-17-jre-headless, maven). The cluster takes about 1.5 GB of
memory and is ready after 10 to 60 seconds. It also ends with the process that called this script.

Environment:
  DRUID_VERSION=VERSION  by default 33.0.0, the newest of which the registry has every part; 37.0.0 with DRUID_AUTH=1. The
                         versions 27.0.0 to 33.0.0 are whole. From 34.0.0 on there is no broker and no router, because
                         the registry does not have their parts, and FOLDER/url is the URL of the coordinator
  DRUID_AUTH=1           basic authentication: user admin, password 'secret'
  DRUID_S3=FILE          settings of an S3 server, as s3_for_tests.sh writes them (FOLDER/settings): tasks can read s3://,
                         and FOLDER/s3 is a copy of the file
  DRUID_LIB=FOLDER       jars that are there already, in place of FOLDER/lib
  DRUID_READY_SECONDS=N  how long to wait for the cluster, by default 180
END
  exit 2
}
(($# == 2)) || usage
command=$1 folder=$(realpath -m "$2") self=$(realpath "$0")
auth=${DRUID_AUTH:-0}
version=33.0.0
((auth == 0)) || version=37.0.0
version=${DRUID_VERSION:-$version}
whole=$((${version%%.*} <= 33))
lib=${DRUID_LIB:-$folder/lib}
s3=${DRUID_S3:-}
ready_seconds=${DRUID_READY_SECONDS:-180}

say() { printf 'druid_for_tests: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }
program() { command -v "$1" >/dev/null || die "there is no program '$1': install the package $2"; }

# ---- download

# The registry has neither druid-sql nor the multi-stage queries of later versions: they are left out there.
write_pom() {
  local excluded='' extra=''
  exclude() { excluded+="<exclusion><groupId>$1</groupId><artifactId>$2</artifactId></exclusion>"; }
  depend() {  # GROUP NAME VERSION [FURTHER XML]
    extra+="<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version>${4:-}</dependency>"
  }
  exclude org.hyperic sigar      # is in no public registry; only a monitor that is off needs it
  exclude org.graalvm.js '*'     # JavaScript in queries: 41 MB
  # The registry has this part of 33.0.0 only. Older programs need its classes to start, and nothing of it to work.
  if [[ $version != 33.0.0 ]]; then
    exclude org.apache.druid druid-indexing-hadoop
    ((!whole)) || depend org.apache.druid druid-indexing-hadoop 33.0.0 \
      '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>'
  fi
  if ((!whole)); then
    exclude org.apache.druid druid-sql
    exclude org.apache.druid druid-multi-stage-query
    exclude com.fasterxml.jackson.jaxrs jackson-jaxrs-smile-provider
    depend com.fasterxml.jackson.jaxrs jackson-jaxrs-smile-provider 2.12.7
  fi
  if ((auth)); then
    depend org.apache.druid.extensions druid-basic-security "$version"
  elif [[ $version == 33.0.0 ]]; then
    # The newest that the registry has; it works with 33. It needs commons-lang, which Druid has left since.
    depend org.apache.druid.extensions druid-s3-extensions 29.0.0
    depend commons-lang commons-lang 2.6
  fi
  cat <<END
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>druid</artifactId><version>1</version><packaging>pom</packaging>
  <dependencyManagement><dependencies><dependency>
    <groupId>org.apache.druid</groupId><artifactId>druid</artifactId><version>$version</version>
    <type>pom</type><scope>import</scope>
  </dependency></dependencies></dependencyManagement>
  <dependencies>
    <dependency>
      <groupId>org.apache.druid</groupId><artifactId>druid-services</artifactId><version>$version</version>
      <exclusions>$excluded</exclusions>
    </dependency>
    $extra
  </dependencies>
</project>
END
}

# The services of later versions name modules of the part that is left out: empty ones take their place.
write_empty_modules() {
  local name class made
  program javac openjdk-17-jdk-headless
  made=$(mktemp -d)
  for name in guice.MSQDurableStorageModule guice.MSQExternalDataSourceModule guice.MSQIndexingModule \
    guice.IndexerMemoryManagementModule guice.PeonMemoryManagementModule dart.guice.DartWorkerModule \
    dart.guice.DartWorkerMemoryManagementModule; do
    class=${name##*.}
    cat >"$made/$class.java" <<END
package org.apache.druid.msq.${name%.*};
public class $class implements org.apache.druid.initialization.DruidModule {
  public void configure(com.google.inject.Binder binder) {}
}
END
  done
  javac -nowarn -proc:none -cp "$1/*" -d "$made/classes" "$made"/*.java
  jar cf "$1/empty-modules.jar" -C "$made/classes" org
  rm -rf "$made"
}

install() {
  [[ -z ${DRUID_LIB:-} || ! -e $lib/complete ]] || return 0
  mkdir -p "$folder"
  write_pom >"$folder/pom.xml"
  # The marker holds the list of what was downloaded.
  ! cmp -s "$folder/pom.xml" "$lib/complete" || return 0
  program mvn maven
  rm -rf "$lib" "$lib.part"
  # Druid's pom names further repositories: asking them for what only the central one has takes minutes.
  cat >"$folder/settings.xml" <<'END'
<settings><mirrors><mirror><id>none</id><mirrorOf>*,!central</mirrorOf><url>file:///nonexistent</url></mirror></mirrors></settings>
END
  say "downloading Druid $version"
  timeout 600 mvn -q -B -f "$folder/pom.xml" -gs "$folder/settings.xml" dependency:copy-dependencies \
    -DincludeScope=runtime "-DoutputDirectory=$lib.part" >"$folder/maven.log" 2>&1 || {
    grep -m 5 ERROR "$folder/maven.log" | cut -c 1-500 >&2 || true
    die "Maven could not download Druid $version; all of its output is in $folder/maven.log"
  }
  ((whole)) || write_empty_modules "$lib.part"
  cp "$folder/pom.xml" "$lib.part/complete"
  mv "$lib.part" "$lib"
}

# ---- configuration

services() {
  echo zookeeper coordinator indexer historical
  ((!whole)) || echo broker router
}
port_of() { cat "$folder/ports/$1"; }

free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))  # below the ports that the system gives to connections
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && continue
    grep -qsx "$port" "$folder"/ports/* && continue
    echo "$port"
    return
  done
}

s3_properties() {
  local S3_ENDPOINT S3_ACCESS_KEY S3_SECRET_KEY
  # shellcheck disable=SC1091
  source "$folder/s3"
  cat <<END
druid.s3.accessKey=$S3_ACCESS_KEY
druid.s3.secretKey=$S3_SECRET_KEY
druid.s3.protocol=http
druid.s3.enablePathStyleAccess=true
druid.s3.endpoint.url=$S3_ENDPOINT
druid.s3.endpoint.signingRegion=us-east-1
END
}

properties() {
  local service=$1
  cat <<END
druid.service=druid/$service
druid.host=127.0.0.1
druid.bindOnHost=true
druid.plaintextPort=$(port_of "$service")
druid.extensions.loadList=[]
druid.zk.service.host=127.0.0.1:$(port_of zookeeper)
druid.zk.service.sessionTimeoutMs=10000
druid.metadata.storage.type=derby
druid.metadata.storage.connector.connectURI=jdbc:derby://127.0.0.1:$(port_of derby)/$data/metadata;create=true
druid.metadata.storage.connector.host=127.0.0.1
druid.metadata.storage.connector.port=$(port_of derby)
druid.storage.type=local
druid.storage.storageDirectory=$data/segments
druid.indexer.logs.type=file
druid.indexer.logs.directory=$data/task-logs
druid.selectors.indexing.serviceName=druid/overlord
druid.selectors.coordinator.serviceName=druid/coordinator
druid.announcer.type=http
druid.emitter=noop
druid.monitoring.monitors=[]
druid.lookup.enableLookupSyncOnStartup=false
druid.startup.logging.logProperties=false
druid.processing.numThreads=1
druid.processing.numMergeBuffers=2
druid.processing.buffer.sizeBytes=10MiB
druid.server.http.numThreads=12
druid.server.http.gracefulShutdownTimeout=PT1S
druid.segment.handoff.pollDuration=PT1S
END
  ((auth == 0)) || cat <<END
druid.auth.authenticatorChain=["basic"]
druid.auth.authenticator.basic.type=basic
druid.auth.authenticator.basic.initialAdminPassword=secret
druid.auth.authenticator.basic.initialInternalClientPassword=internal
druid.auth.authenticator.basic.credentialsValidator.type=metadata
druid.auth.authenticator.basic.skipOnFailure=false
druid.auth.authenticator.basic.authorizerName=basic
druid.auth.authorizers=["basic"]
druid.auth.authorizer.basic.type=basic
druid.auth.basic.common.pollingPeriod=2000
druid.auth.basic.common.maxRandomDelay=200
druid.escalator.type=basic
druid.escalator.internalClientUsername=druid_system
druid.escalator.internalClientPassword=internal
druid.escalator.authorizerName=basic
END
  [[ ! -e $folder/s3 ]] || s3_properties
  case $service in
    coordinator) cat <<END ;;
druid.coordinator.asOverlord.enabled=true
druid.coordinator.asOverlord.overlordService=druid/overlord
druid.coordinator.startDelay=PT1S
druid.coordinator.period=PT1S
druid.coordinator.period.indexingPeriod=PT5S
druid.manager.segments.pollDuration=PT1S
druid.manager.rules.pollDuration=PT5S
druid.indexer.queue.startDelay=PT0.1S
druid.indexer.storage.type=metadata
druid.indexer.runner.type=httpRemote
END
    indexer) cat <<END ;;
druid.worker.capacity=4
druid.worker.globalIngestionHeapLimitBytes=200000000
druid.indexer.task.baseTaskDir=$data/tasks
END
    historical) cat <<END ;;
druid.segmentCache.locations=[{"path":"$data/cache","maxSize":"5g"}]
druid.server.maxSize=5000000000
END
    broker) cat <<END ;;
druid.sql.planner.metadataRefreshPeriod=PT1S
druid.sql.planner.metadataSegmentPollPeriod=1000
druid.broker.http.numConnections=5
END
    router) cat <<END ;;
druid.router.managementProxy.enabled=true
druid.router.defaultBrokerServiceName=druid/broker
druid.router.coordinatorServiceName=druid/coordinator
druid.router.http.numConnections=10
END
  esac
}

configure() {
  local service
  mkdir -p "$folder"/{ports,log,conf,pid} "$data"/{tmp,zookeeper,segments,task-logs,cache,tasks}
  [[ -z $s3 ]] || cp "$s3" "$folder/s3"
  for service in $(services) derby; do free_port >"$folder/ports/.new" && mv "$folder/ports/.new" "$folder/ports/$service"; done
  for service in $(services); do properties "$service" >"$folder/conf/$service.properties"; done
  printf '%s\n' tickTime=500 "dataDir=$data/zookeeper" "clientPort=$(port_of zookeeper)" \
    clientPortAddress=127.0.0.1 admin.enableServer=false >"$folder/conf/zookeeper.properties"
  cat >"$folder/conf/log4j2.xml" <<'END'
<Configuration status="ERROR">
  <Appenders><Console name="Out"><PatternLayout pattern="%d{ISO8601} %p %c - %m%n"/></Console></Appenders>
  <Loggers><Root level="warn"><AppenderRef ref="Out"/></Root></Loggers>
</Configuration>
END
}

# ---- processes

memory_of() {
  case $1 in
    zookeeper) echo -Xmx64m ;;
    coordinator) echo -Xmx384m -XX:MaxDirectMemorySize=64m ;;
    indexer) echo -Xmx640m -XX:MaxDirectMemorySize=256m ;;
    historical) echo -Xmx256m -XX:MaxDirectMemorySize=128m ;;
    broker) echo -Xmx320m -XX:MaxDirectMemorySize=128m ;;
    router) echo -Xmx96m -XX:MaxDirectMemorySize=64m ;;
  esac
}

launch() {
  local service=$1 open main
  local flags=(--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED --add-exports=java.base/jdk.internal.ref=ALL-UNNAMED)
  for open in java.base/java.nio java.base/sun.nio.ch java.base/jdk.internal.ref java.base/java.io java.base/java.lang \
    jdk.management/com.sun.management.internal; do
    flags+=("--add-opens=$open=ALL-UNNAMED")
  done
  # The first compiler alone: these processes live for minutes, and the second one costs more than it gives.
  flags+=(-Duser.timezone=UTC -Dfile.encoding=UTF-8 "-Djava.io.tmpdir=$data/tmp" -XX:+ExitOnOutOfMemoryError
    -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dlog4j.configurationFile=$folder/conf/log4j2.xml"
    -Djava.util.logging.manager=org.apache.logging.log4j.jul.LogManager "-Dderby.stream.error.file=$folder/log/derby.log")
  read -ra memory < <(memory_of "$service")
  if [[ $service == zookeeper ]]; then
    main=(org.apache.zookeeper.server.quorum.QuorumPeerMain "$folder/conf/zookeeper.properties")
  else
    main=("-Ddruid.properties.file=$folder/conf/$service.properties" org.apache.druid.cli.Main server "$service")
  fi
  (
    cd "$data"
    exec setsid java "${flags[@]}" "${memory[@]}" -cp "$lib/*" "${main[@]}"
  ) >>"$folder/log/$service.log" 2>&1 </dev/null &
  echo $! >"$folder/pid/$service"
}

# Whether the service's own process runs: a number alone may belong to another program by now.
runs() {
  local pid
  pid=$(cat "$folder/pid/$1" 2>/dev/null) && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$folder/"
}

get() {
  local user=()
  ((auth == 0)) || user=(-u admin:secret)
  curl -sf --noproxy '*' --max-time 5 "${user[@]}" "http://127.0.0.1:$(port_of "$1")$2"
}

ready() {
  case $1 in
    zookeeper) (exec 3<>"/dev/tcp/127.0.0.1/$(port_of zookeeper)") 2>/dev/null ;;
    coordinator) get coordinator /druid/coordinator/v1/isLeader && get coordinator /druid/indexer/v1/isLeader ;;
    indexer) get coordinator /druid/indexer/v1/workers | grep '"host"' ;;
    historical) get coordinator '/druid/coordinator/v1/servers?simple' | grep historical ;;
    broker) get broker /druid/broker/v1/readiness && get router /druid/v2/datasources ;;
    router) get router /druid/coordinator/v1/isLeader && get router /druid/indexer/v1/isLeader ;;
  esac >/dev/null
}

await() {
  local service deadline=$((SECONDS + ready_seconds))
  for service in "$@"; do
    until ready "$service"; do
      if ! runs "$service" && sleep 0.5 && ! runs "$service"; then
        tail -n 20 "$folder/log/$service.log" | cut -c 1-300 >&2
        die "the $service ended while it started; its last lines are above"
      fi
      if ((SECONDS >= deadline)); then
        tail -n 20 "$folder/log/$service.log" | cut -c 1-300 >&2
        die "the $service is not ready after $ready_seconds s (DRUID_READY_SECONDS); its last lines are above"
      fi
      sleep 0.3
    done
  done
}

end() {  # SIGNAL SERVICE...: waits for the end, at most 10 s, then kills
  local signal=$1 service pid attempt
  shift
  for service in "$@"; do
    if runs "$service"; then kill "-$signal" "$(<"$folder/pid/$service")" 2>/dev/null || true; fi
  done
  for service in "$@"; do
    for ((attempt = 0; attempt < 100; ++attempt)); do runs "$service" && sleep 0.1 || break; done
    if runs "$service"; then kill -KILL "$(<"$folder/pid/$service")" 2>/dev/null || true; fi
    rm -f "$folder/pid/$service"
  done
}

# Ends the cluster when the caller is gone.
watch_caller() {
  setsid bash -c 'tail --pid="$1" -f /dev/null; [[ $(cat "$2/watched" 2>/dev/null) == "$1" ]] && exec "$0" stop "$2"' \
    "$self" "$PPID" "$folder" </dev/null >/dev/null 2>&1 &
  echo "$PPID" >"$folder/watched"
}

clear_all() {
  rm -rf "$folder"/{data,ports,conf,pid,log,url,watched,s3}
}

case $command in
  install) install ;;
  start)
    program java openjdk-17-jre-headless
    program curl curl
    install
    "$self" stop "$folder"
    data=$folder/data began=$SECONDS
    configure
    trap '"$self" stop "$folder"' EXIT
    for service in $(services); do launch "$service"; done
    # shellcheck disable=SC2046
    await $(services)
    trap - EXIT
    if ((whole)); then echo "http://127.0.0.1:$(port_of router)"; else echo "http://127.0.0.1:$(port_of coordinator)"; fi >"$folder/url"
    watch_caller
    say "Druid $version is ready after $((SECONDS - began)) s: $(<"$folder/url")"
    ;;
  restart-overlord)
    [[ -s $folder/url ]] || die "no cluster was started in $folder"
    data=$folder/data
    ! grep -qs '^druid.auth' "$folder/conf/coordinator.properties" || auth=1
    end KILL coordinator
    launch coordinator
    await coordinator indexer
    ;;
  stop)
    # shellcheck disable=SC2046
    end TERM router broker historical indexer coordinator zookeeper
    clear_all
    ;;
  *) usage ;;
esac

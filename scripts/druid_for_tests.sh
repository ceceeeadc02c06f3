#!/usr/bin/env bash
# A real Apache Druid for tests: on 127.0.0.1, made of jars from Maven Central, with its data in one folder.
set -euo pipefail

usage() {
  cat >&2 <<END
usage: scripts/druid_for_tests.sh install|start|stop|status FOLDER

  install  downloads the jars (150 MB) to FOLDER/lib with mvn; does nothing if they are there
  start    starts ZooKeeper and five services of Druid, and waits until they are ready (20 s on 2 cores, 1.1 GiB);
           FOLDER/url then holds the router's URL. The tests use it: ETLPIPE_DRUID=\$(cat FOLDER/url) druid_tests
  stop     ends the processes and removes data and logs; the jars stay
  status   says which processes run

Java 17 is needed. DRUID_VERSION [33.0.0] chooses the version, DRUID_BASE_PORT [19080] the first of nine ports.
END
  exit 2
}
(($# == 2)) || usage
mkdir -p "$2"
command=$1 folder=$(realpath "$2")
version=${DRUID_VERSION:-33.0.0} base=${DRUID_BASE_PORT:-19080}
services=(zookeeper coordinator indexer historical broker router)
mark=-Detlpipe.druid=$folder  # tells the processes of this folder from others

port_of() {
  case $1 in
    zookeeper) echo $((base + 0)) ;;
    coordinator) echo $((base + 1)) ;;
    broker) echo $((base + 2)) ;;
    historical) echo $((base + 3)) ;;
    router) echo $((base + 4)) ;;
    indexer) echo $((base + 5)) ;;
    derby) echo $((base + 6)) ;;
  esac
}

install_jars() {
  [[ ! -e $folder/lib/complete ]] || return 0
  # Not on Maven Central, or not needed: sigar belongs to a monitor that is off, graalvm to scripts in JavaScript.
  cat >"$folder/pom.xml" <<END
<project><modelVersion>4.0.0</modelVersion>
<groupId>etlpipe</groupId><artifactId>druid-for-tests</artifactId><version>1</version><packaging>pom</packaging>
<dependencyManagement><dependencies><dependency><groupId>org.apache.druid</groupId><artifactId>druid</artifactId>
<version>$version</version><type>pom</type><scope>import</scope></dependency></dependencies></dependencyManagement>
<dependencies><dependency><groupId>org.apache.druid</groupId><artifactId>druid-services</artifactId>
<version>$version</version><exclusions>
<exclusion><groupId>org.hyperic</groupId><artifactId>sigar</artifactId></exclusion>
<exclusion><groupId>org.graalvm.js</groupId><artifactId>*</artifactId></exclusion>
</exclusions></dependency></dependencies></project>
END
  # Druid's own description names two further repositories, which would only cost time.
  cat >"$folder/settings.xml" <<END
<settings><mirrors><mirror><id>none</id><mirrorOf>*,!central</mirrorOf><url>file:///nonexistent</url></mirror></mirrors></settings>
END
  mvn -q -B -f "$folder/pom.xml" -gs "$folder/settings.xml" dependency:copy-dependencies -DincludeScope=runtime \
    "-DoutputDirectory=$folder/lib" >"$folder/maven.log" 2>&1 || { grep -m 3 ERROR "$folder/maven.log" >&2; exit 1; }
  touch "$folder/lib/complete"
}

configure() {
  mkdir -p "$folder"/{conf,log,pid} "$folder"/data/{tmp,zookeeper,segments,logs,cache,tasks}
  cat >"$folder/conf/zoo.cfg" <<END
tickTime=500
dataDir=$folder/data/zookeeper
clientPort=$(port_of zookeeper)
clientPortAddress=127.0.0.1
admin.enableServer=false
END
  cat >"$folder/conf/log4j2.xml" <<END
<Configuration status="ERROR"><Appenders><Console name="C"><PatternLayout pattern="%d %p %c - %m%n"/></Console></Appenders>
<Loggers><Root level="warn"><AppenderRef ref="C"/></Root></Loggers></Configuration>
END
  local service
  for service in "${services[@]:1}"; do
    { common "$service"; own "$service"; } >"$folder/conf/$service.properties"
  done
}

common() {
  cat <<END
druid.service=druid/$1
druid.plaintextPort=$(port_of "$1")
druid.host=127.0.0.1
druid.extensions.loadList=[]
druid.zk.service.host=127.0.0.1:$(port_of zookeeper)
druid.metadata.storage.type=derby
druid.metadata.storage.connector.connectURI=jdbc:derby://127.0.0.1:$(port_of derby)/$folder/data/metadata.db;create=true
druid.metadata.storage.connector.host=127.0.0.1
druid.metadata.storage.connector.port=$(port_of derby)
druid.storage.type=local
druid.storage.storageDirectory=$folder/data/segments
druid.indexer.logs.type=file
druid.indexer.logs.directory=$folder/data/logs
druid.selectors.indexing.serviceName=druid/overlord
druid.selectors.coordinator.serviceName=druid/coordinator
druid.emitter=noop
druid.lookup.enableLookupSyncOnStartup=false
druid.processing.numThreads=1
druid.processing.numMergeBuffers=2
druid.processing.buffer.sizeBytes=10MiB
druid.server.http.numThreads=12
druid.segment.handoff.pollDuration=PT1S
END
}

# What makes a test wait by default is made short.
own() {
  case $1 in
    coordinator) printf '%s\n' druid.coordinator.asOverlord.{enabled=true,overlordService=druid/overlord} \
      druid.coordinator.{startDelay=PT1S,period=PT1S} druid.manager.segments.pollDuration=PT1S \
      druid.indexer.queue.startDelay=PT0.1S druid.indexer.storage.type=metadata druid.indexer.runner.type=httpRemote ;;
    indexer) printf '%s\n' druid.worker.capacity=4 druid.worker.globalIngestionHeapLimitBytes=200000000 \
      "druid.indexer.task.baseTaskDir=$folder/data/tasks" ;;
    historical) printf '%s\n' "druid.segmentCache.locations=[{\"path\":\"$folder/data/cache\",\"maxSize\":\"5g\"}]" ;;
    broker) printf '%s\n' druid.sql.planner.metadata{RefreshPeriod=PT1S,SegmentPollPeriod=1000} ;;
    router) printf '%s\n' druid.router.{managementProxy.enabled=true,defaultBrokerServiceName=druid/broker} \
      druid.router.coordinatorServiceName=druid/coordinator ;;
  esac
}

heap_of() {
  case $1 in
    zookeeper) echo 64 64 ;;
    coordinator) echo 384 64 ;;
    indexer) echo 640 256 ;;
    historical) echo 256 128 ;;
    broker) echo 320 128 ;;
    router) echo 96 64 ;;
  esac
}

launch() {
  local service=$1 heap direct arguments
  read -r heap direct < <(heap_of "$service")
  if [[ $service == zookeeper ]]; then
    arguments=(org.apache.zookeeper.server.quorum.QuorumPeerMain "$folder/conf/zoo.cfg")
  else
    arguments=("-Ddruid.properties.file=$folder/conf/$service.properties" org.apache.druid.cli.Main server "$service")
  fi
  cd "$folder/data"
  # Druid reaches into these parts of Java 17 (its page "Java runtime").
  java "$mark" "-Xmx${heap}m" "-XX:MaxDirectMemorySize=${direct}m" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    --add-exports=java.base/jdk.internal.{misc,ref}=ALL-UNNAMED \
    --add-opens=java.base/{java.nio,sun.nio.ch,jdk.internal.ref,java.io,java.lang}=ALL-UNNAMED \
    --add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED \
    -Duser.timezone=UTC -Dfile.encoding=UTF-8 "-Djava.io.tmpdir=$folder/data/tmp" \
    -Djava.util.logging.manager=org.apache.logging.log4j.jul.LogManager \
    "-Dlog4j.configurationFile=$folder/conf/log4j2.xml" "-Dderby.stream.error.file=$folder/log/derby.log" \
    -cp "$folder/lib/*" "${arguments[@]}" >"$folder/log/$service.log" 2>&1 </dev/null &
  echo $! >"$folder/pid/$service"
  cd "$folder"
}

get() { curl -sf --noproxy '*' --max-time 5 "http://127.0.0.1:$(port_of "$1")$2"; }

is_ready() {
  case $1 in
    zookeeper) (exec 3<>"/dev/tcp/127.0.0.1/$(port_of zookeeper)") 2>/dev/null ;;
    coordinator) get coordinator /druid/coordinator/v1/isLeader && get coordinator /druid/indexer/v1/isLeader ;;
    indexer) get coordinator /druid/indexer/v1/workers | grep '"host"' ;;
    historical) get coordinator '/druid/coordinator/v1/servers?simple' | grep historical ;;
    broker) get broker /druid/broker/v1/readiness ;;
    router) get router /druid/coordinator/v1/isLeader ;;
  esac >/dev/null
}

# A process that has the number of an old one is left alone.
pid_of() {
  local pid
  pid=$(cat "$folder/pid/$1" 2>/dev/null) && { tr '\0' '\n' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -xF -- "$mark" >/dev/null &&
    echo "$pid"
}

start() {
  [[ -e $folder/lib/complete ]] || { echo "run 'install' first" >&2; exit 1; }
  configure
  local service deadline=$((SECONDS + 180))
  for service in "${services[@]}"; do launch "$service"; done
  for service in "${services[@]}"; do
    until is_ready "$service"; do
      if ! pid_of "$service" >/dev/null || ((SECONDS > deadline)); then
        echo "$service is not ready; the end of its log:" >&2
        tail -n 20 "$folder/log/$service.log" >&2
        end_all
        exit 1
      fi
      sleep 0.3
    done
  done
  echo "http://127.0.0.1:$(port_of router)" >"$folder/url"
}

# ZooKeeper last, because the others wait for it.
end_all() {
  local service pid i
  for service in router broker historical indexer coordinator zookeeper; do
    pid=$(pid_of "$service") || continue
    kill "$pid"
    for ((i = 0; i < 50; ++i)); do
      pid_of "$service" >/dev/null || break
      sleep 0.1
    done
    ! pid=$(pid_of "$service") || kill -9 "$pid"
  done
}

case $command in
  install) install_jars ;;
  start) start ;;
  stop)
    end_all
    rm -rf "${folder:?}"/{data,log,conf,pid,url}
    ;;
  status)
    for service in "${services[@]}"; do
      if pid=$(pid_of "$service"); then echo "$service runs as process $pid"; else echo "$service does not run"; fi
    done
    ;;
  *) usage ;;
esac

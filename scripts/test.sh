#!/usr/bin/env bash
# The whole test suite by one command.
set -uo pipefail

usage() {
  cat <<END
usage: scripts/test.sh [--sanitizers | --all] [--druid] [--soak]

Installs what is missing (apt-get, as root or with sudo), builds with GCC in Release mode, warnings as errors, and
runs the tests: unit and contract tests, examples, headers, compile errors, consumer projects, the rules of the tree.

  --sanitizers  also: ASan+UBSan and TSan builds with their tests
  --all         also: these, a Clang 16 build with its tests, clang-tidy, fuzzing for a few seconds per harness, the
                benchmarks' build, and 10 rounds of workers of a job that are killed and frozen
  --druid       also: etl-druid on a real Apache Druid, which is downloaded by Maven and started for it (3 GB of memory,
                5 minutes)
  --soak        also: the long randomised tests at full count (hours)

Ends with the tests that failed and the end of their output, the time of each step, and a line 'N passed, N failed'. The
exit code is 0 only if nothing failed and nothing was skipped.
END
}

sanitizers=0 all=0 druid=0 soak=0
for argument in "$@"; do
  case $argument in
    --sanitizers) sanitizers=1 ;;
    --all) sanitizers=1 all=1 ;;
    --druid) druid=1 ;;
    --soak) soak=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

source "$(dirname "$0")/common.sh"
jobs=$(nproc)
passed=0 failed=0 summary=() failures="" ahead=
mkdir -p build/logs

finish() {
  [[ -z $ahead ]] || kill "$ahead" 2>/dev/null
  printf '%s\n' "$failures"
  printf '%s\n' "${summary[@]}"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0 && passed > 0))
  exit
}

# step NAME COMMAND ...: a header, the command, the time. Returns the command's result.
step() {
  local name=$1 start=$SECONDS result=0
  shift
  printf '\n=== %s\n' "$name"
  "$@" || result=$?
  local verdict=ok
  ((result == 0)) || verdict="FAILED ($result)"
  printf '=== %s: %s, %d s\n' "$name" "$verdict" $((SECONDS - start))
  summary+=("$(printf '%-28s %5d s  %s' "$name" $((SECONDS - start)) "$verdict")")
  return $result
}

# A step without which the rest makes no sense.
must() {
  step "$@" || {
    ((++failed))
    finish
  }
}

# counts JUNIT_FILE: tests run, and those of them that failed, were skipped or disabled.
counts() {
  python3 -c '
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
print(suite.get("tests"), sum(int(suite.get(kind, 0)) for kind in ("failures", "skipped", "disabled")))' "$1"
}

# show_failures NAME JUNIT_FILE: the tests that did not pass, each with the end of its output.
show_failures() {
  python3 -c '
import sys, xml.etree.ElementTree as tree
for case in tree.parse(sys.argv[2]).getroot().iter("testcase"):
    if case.get("status") != "run":
        print("\n--- %s: %s (%s, %.1f s)" % (sys.argv[1], case.get("name"), case.get("status"), float(case.get("time", 0))))
        print("\n".join((case.findtext("system-out") or "").splitlines()[-40:]))' "$1" "$2"
}

# run_ctest LOG CTEST_ARGUMENTS ...: adds to the counts. A skipped or disabled test is a failed one.
run_ctest() {
  local name=$1 log=$PWD/build/logs/$1.xml result=0 tests=0 bad=0
  shift
  rm -f "$log"
  # Many tests wait for a server or a process, so more of them run at once than there are processors.
  ctest --progress -j $((2 * jobs)) --output-junit "$log" "$@" || result=$?
  read -r tests bad < <(counts "$log")
  if ((tests == 0)); then
    echo "no test was run" >&2
    tests=1 bad=1
  elif ((result != 0 && bad == 0)); then
    bad=1
  fi
  if ((bad > 0)) && [[ -f $log ]]; then failures+=$(show_failures "$name" "$log")$'\n'; fi
  ((passed += tests - bad, failed += bad))
  ((bad == 0))
}

configure() { cmake --preset "$1" >"build/logs/$1.configure" 2>&1 || { cat "build/logs/$1.configure"; return 1; }; }
build() { configure "$1" && cmake --build --preset "$1" -j "$jobs" "${@:2}"; }
# build_ahead PRESET ...: builds at the lowest priority, beside what follows. `suite` waits for it, and tells errors.
build_ahead() {
  rm -f build/logs/*.ahead
  for preset in "$@"; do
    nice -n 19 cmake --preset "$preset" && nice -n 19 cmake --build --preset "$preset" -j "$jobs"
    touch "build/logs/$preset.ahead"
  done >build/logs/ahead 2>&1 &
  ahead=$!
}
suite() {
  while [[ -n $ahead && ! -e build/logs/$1.ahead ]] && kill -0 "$ahead" 2>/dev/null; do sleep 1; done
  [[ -z $ahead ]] || kill -0 "$ahead" 2>/dev/null || ahead=
  must "$1: build" build "$1"
  step "$1: test" run_ctest "$1" --preset "$1"
}

# All cases share one cluster; that of authentication is a small one of its own.
druid_suite() {
  export ETLPIPE_DRUID=$PWD/build/druid ETLPIPE_DRUID_AUTH=$PWD/build/druid_auth
  local cases=(--preset gcc -C Druid -L '^druid-real$' -j 1 --output-on-failure) bucket=$PWD/build/druid_s3
  must "druid: start an S3 server" scripts/s3_for_tests.sh "$bucket" start
  must "druid: start" env DRUID_S3="$bucket/settings" scripts/druid_for_tests.sh start "$ETLPIPE_DRUID"
  step "druid: test" run_ctest druid "${cases[@]}" -E '[.]auth$'
  scripts/druid_for_tests.sh stop "$ETLPIPE_DRUID"
  scripts/s3_for_tests.sh "$bucket" stop
  must "druid: start with users" env DRUID_AUTH=1 scripts/druid_for_tests.sh start "$ETLPIPE_DRUID_AUTH"
  step "druid: test with users" run_ctest druid-auth "${cases[@]}" -R '[.]auth$'
  scripts/druid_for_tests.sh stop "$ETLPIPE_DRUID_AUTH"
}

packages=("${library_packages[@]}" "${component_packages[@]}" python3 catch2 postgresql nginx-light ceph-mon ceph-osd radosgw ceph-common openssl doxygen sqlite3 zstd
  python3-openpyxl locales)
((!sanitizers)) || packages+=(clang-19 libclang-rt-19-dev llvm-19)  # llvm-19: names in reports
((!all)) || packages+=(clang-16 clang-tidy-19 libbenchmark-dev libtbb-dev)
((!all && !soak)) || packages+=(faketime)  # processes whose clocks are apart
((!druid)) || packages+=(openjdk-17-jdk-headless maven curl)
must "packages" need_packages "${packages[@]}"

must "gcc: build" build gcc
((!sanitizers)) || build_ahead asan tsan  # many of the tests that follow wait for a server
step "gcc: test" run_ctest gcc --preset gcc
((!druid)) || druid_suite
if ((sanitizers)); then
  suite asan
  suite tsan
fi
if ((all)); then
  suite clang16
  must "tidy: configure" configure tidy
  step "tidy: clang-tidy 19" run_ctest tidy --preset tidy
  if compgen -G 'tests/fuzz/*_fuzz.cpp' >/dev/null; then suite fuzz; fi
  must "bench: build" build bench
  step "jobs: 10 rounds of chaos" run_ctest jobs-chaos --preset gcc -C All -R '^jobs[.]chaos_10[.]' -j 1
fi
if ((soak)); then step "soak" run_ctest soak --preset gcc -C Soak -L '^soak$' -j 1 --verbose; fi
finish

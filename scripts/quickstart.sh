#!/usr/bin/env bash
# From a fresh Debian 12 machine to protein entries in a database.
set -euo pipefail

usage() {
  cat <<END
usage: scripts/quickstart.sh [FILE ...]

Installs what is missing (apt-get, as root or with sudo), builds etl-uniprot in Release mode under build/quickstart, and
loads the UniProtKB flat files FILE ... (plain or gzip; - is standard input) into the SQLite database proteins.sqlite of
this folder. Without a FILE it makes up a release of 40,000 entries and loads that. Ends with one question to the database.

The exit code is that of etl-uniprot: 0 loaded, 3 loaded but for some rejected entries, 4 stopped by Ctrl-C, others failed.
END
}

files=()
for file in "$@"; do
  case $file in
    -h | --help) usage; exit 0 ;;
    -?*) usage >&2; exit 2 ;;
    - | /*) files+=("$file") ;;
    *) files+=("$PWD/$file") ;;
  esac
done

source "$(dirname "$0")/common.sh"
need_packages "${library_packages[@]}" "${component_packages[@]}" sqlite3
cmake --preset gcc -B build/quickstart -D CMAKE_CXX_FLAGS_RELEASE="-O3 -DNDEBUG" -D ETLPIPE_BUILD_TESTS=OFF \
  -D ETLPIPE_WERROR=OFF >/dev/null
cmake --build build/quickstart --target etl-uniprot
program=build/quickstart/examples/uniprot/etl-uniprot

database=$PWD/proteins.sqlite
if ((!${#files[@]})); then
  files=(build/quickstart/release.dat.gz)
  [[ -s ${files[0]} ]] || {
    printf '\nMaking up a release of 40,000 entries\n'
    "$program" generate --entries 40000 --out "${files[0]}.part.gz"
    mv "${files[0]}.part.gz" "${files[0]}"
  }
  database=$PWD/build/quickstart/release.sqlite
fi

shown=${files[*]}
((${#files[@]} <= 3)) || shown="(${#files[@]} files)"
printf '\n%s ingest %s --store sqlite:%s\n' "$program" "$shown" "$database"
result=0
"$program" ingest "${files[@]}" --store "sqlite:$database" || result=$?
[[ $result == [034] ]] || exit "$result"

question='SELECT organism, count(*) AS proteins, round(avg(length)) AS mean_length, max(length) AS longest
FROM proteins GROUP BY organism ORDER BY proteins DESC LIMIT 6;'
printf '\nsqlite3 %s\n%s\n' "$database" "$question"
sqlite3 -header -column "$database" "$question"
exit "$result"

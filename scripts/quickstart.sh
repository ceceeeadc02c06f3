#!/usr/bin/env bash
# From a fresh Debian 12 machine to a running pipeline.
set -euo pipefail
example=09_big # the most telling one of examples/

if [[ ${1-} == -h || ${1-} == --help ]]; then
  cat <<END
usage: scripts/quickstart.sh [ARGUMENT ...]

Installs what is missing (apt-get, as root or with sudo), builds the library's example $example in Release mode
under build/quickstart, and runs it. Arguments go to the example: try --help after the first run with
build/quickstart/examples/example_$example --help.
END
  exit 0
fi

source "$(dirname "$0")/common.sh"
need_packages "${library_packages[@]}"
cmake --preset gcc -B build/quickstart -D ETLPIPE_BUILD_TESTS=OFF -D ETLPIPE_WERROR=OFF >/dev/null
cmake --build build/quickstart --target "example_$example"
echo
exec "build/quickstart/examples/example_$example" "$@"

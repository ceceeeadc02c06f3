#!/usr/bin/env bash
# Line and branch coverage of include/etl by the unit and contract tests: a table, and pages under build/coverage/html.
set -euo pipefail
source "$(dirname "$0")/common.sh"
need_packages "${library_packages[@]}" catch2 python3 gcovr
cmake --preset coverage >/dev/null
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
ctest --preset coverage --progress
mkdir -p build/coverage/html
gcovr --root . --filter include/etl/ --exclude-unreachable-branches --exclude-throw-branches \
  --html-details build/coverage/html/index.html --txt build/coverage

#!/usr/bin/env bash
# The API reference, from the comments of the public headers, into build/reference/html; and its check.
source "$(dirname "$0")/common.sh"
need_packages doxygen python3 && exec python3 -B scripts/checks/reference.py "$@"

# Shared by the scripts of this folder; sourced, not run.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

library_packages=(g++ cmake ninja-build libasio-dev libconcurrentqueue-dev libfmt-dev libexpected-dev)
component_packages=(zlib1g-dev libisal-dev libarchive-dev libssl-dev libsqlite3-dev libpq-dev libzip-dev libexpat1-dev libfreexl-dev libcurl4-openssl-dev libcli11-dev boost-json pkg-config)

# Boost.JSON 1.81 or later: Debian 12 has it beside its own 1.74, Debian 13 as its own.
boost_json_package() {
  local release
  release=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}")
  if [[ $release == 12 ]]; then echo libboost-json1.81-dev; else echo libboost-json-dev; fi
}

# Installs the Debian packages that are not there yet. Without apt-get it leaves that to the reader.
need_packages() {
  local package missing=() as_root=()
  for package in "$@"; do
    [[ $package != boost-json ]] || package=$(boost_json_package)
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ! command -v apt-get >/dev/null; then
    echo "This script installs packages with apt-get only. Needed, under whatever names they have here: ${missing[*]}" >&2
    return 0
  fi
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "Run as root, or install: ${missing[*]}" >&2; return 1; }
    as_root=(sudo)
  fi
  echo "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

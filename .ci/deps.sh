#!/bin/sh
# Installs the Debian packages named on the command line that are missing, or says which they are.
set -eu

missing=
for package in "$@"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  # Not a Debian: what is here may do under other names, and the build will say what it lacks.
  echo "This needs what Debian calls:$missing" >&2
  echo "Install the same by your system's means (see README.md), and run it again if it fails." >&2
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "Missing packages. As root, run:" >&2
  echo "  apt-get install --no-install-recommends$missing" >&2
  exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Another apt may be at work, as it is on a machine that has just started. Its option for that,
# DPkg::Lock::Timeout, does not cover the lists and the archives.
patiently() {
  tries=120
  while ! "$@" >"$log" 2>&1; do
    if [ $tries -eq 0 ] || ! grep -qE 'Could not get lock|Unable to (lock|acquire)' "$log"; then
      cat "$log" >&2
      exit 1
    fi
    [ $tries -lt 120 ] || echo "Waiting for another apt to end"
    tries=$((tries - 1))
    sleep 5
  done
}

patiently apt-get update
patiently apt-get install -y --no-install-recommends $missing

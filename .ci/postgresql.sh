#!/bin/sh
# Installs PostgreSQL's server for the specs, which start one of their own: the package makes no
# cluster, and starts none. An administrator's own rule about that stays as it is.
set -eu
conf=/etc/postgresql-common/createcluster.conf

status=$(dpkg-query -W -f '${db:Status-Status}' postgresql 2>/dev/null || true)
[ "$status" != installed ] || exit 0
sh .ci/deps.sh postgresql-common
if [ -w "$conf" ] && ! grep -q '^[[:space:]]*create_main_cluster' "$conf"; then
  cp -p "$conf" "$conf.before"
  trap 'mv "$conf.before" "$conf"' EXIT
  trap 'exit 1' INT TERM HUP
  echo 'create_main_cluster = false' >>"$conf"
fi
sh .ci/without_services.sh sh .ci/deps.sh postgresql

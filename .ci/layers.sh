#!/bin/sh
# The house has one direction. Fails when an include or a require looks back up, or names what its
# room must not know.
set -u
failed=0

complain() {
  echo "layers: $1" >&2
  failed=1
}

# Forbidden in a folder: an extended regular expression over #include lines.
forbid() {
  folder=$1 pattern=$2 why=$3
  found=$(grep -rnE "^ *# *include +[<\"]($pattern)" "$folder" --include='*.[ch]')
  [ -z "$found" ] || complain "$why
$found"
}

forbid csrc/core 'lua|lauxlib|luajit|curl/|ltlx|tlx_http|tlx_transfer|tlx_guard|tlx_sockets|tlx_watch|tlx_sigpipe|time\.h|sys/|unistd|netinet' \
  'csrc/core may use the C library only, and no clock'
forbid csrc/http 'lua|lauxlib|luajit|ltlx' 'csrc/http must not know Lua'
forbid csrc/lua 'curl/' 'csrc/lua must not know libcurl'
forbid csrc/lua 'tlx_transfer|tlx_guard|tlx_sockets|tlx_watch|tlx_sigpipe' 'csrc/lua may see of csrc/http only its door, tlx_http.h'

# Every unit of the core may include only what stands below it, in this order.
order="tlx.h tlx_utf8.h tlx_gsm7_table.h tlx_gsm7.h tlx_smart_table.h tlx_smart.h tlx_plain_run.h
tlx_segments.h tlx_outsiders.h tlx_savings.h tlx_date_time.h tlx_shapes.h tlx_message.def tlx_message.h tlx_violations.h
tlx_validate.h tlx_endpoint.h tlx_reply.h tlx_request.h tlx_exchange.h"
rank() {
  n=0
  for unit in $order; do
    n=$((n + 1))
    [ "$unit" = "$1" ] && { echo $n; return; }
  done
  echo 0
}
for header in csrc/core/*.h; do
  mine=$(rank "$(basename "$header")")
  [ "$mine" -gt 0 ] || complain "$header has no place in the order of the core"
  for included in $(sed -n 's/^#include "\(.*\)"/\1/p' "$header"); do
    [ "$(rank "$included")" -lt "$mine" ] || complain "$header looks up to $included"
  done
done

# Lua: who may require whom.
requires() {
  sed -e '/^ *--/d' "$1" | sed -n 's/.*require *(* *["'"'"']\([a-z_.0-9]*\)["'"'"'].*/\1/p'
}
allowed() {
  case $1 in
    lua/telnyx/init.lua) echo 'telnyx\.(client|core|errors|resty|sandbox|store)' ;;
    lua/telnyx/client.lua) echo 'telnyx\.(core|errors|options|profiles|resty|run.send_all|send.(life|loop|once|random|retry)|store|tables)' ;;
    lua/telnyx/errors/init.lua) echo 'telnyx\.errors.catalogue' ;;
    lua/telnyx/errors/catalogue.lua) echo 'nothing' ;;
    lua/telnyx/resty*.lua) echo 'telnyx\.(core|errors|options|resty_[a-z]+)' ;;
    lua/telnyx/run/send_all.lua) echo 'telnyx\.run.pace' ;;
    lua/telnyx/send/cost.lua) echo 'telnyx\.(core|errors|tables)' ;;
    lua/telnyx/send/life.lua) echo 'telnyx\.(core|errors|send.(cost|once)|tables)' ;;
    lua/telnyx/send/retry.lua) echo 'telnyx\.core' ;;
    lua/telnyx/sandbox/*) echo 'telnyx\.(core|sandbox(\.[a-z0-9_]+)?)|cjson\.safe|socket' ;;
    *) echo 'telnyx\.(core|errors|options)|cjson\.safe' ;;
  esac
}
for file in $(find lua -name '*.lua'); do
  pattern=$(allowed "$file")
  for name in $(requires "$file"); do
    echo "$name" | grep -qxE "$pattern" || complain "$file may not require $name"
  done
done

exit $failed

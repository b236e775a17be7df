#!/bin/sh
# setsid sh browser_until_eof.sh FOLDER COMMAND [ARGUMENT...]
#
# Runs a program that starts others, until standard input ends, as it does when the spec that holds
# its other end stops or dies; then ends all of them and takes their folder away. They are known by
# the session of processes that this shell leads, so no signal to the spec's own group reaches it.
set -u
folder=$1
shift
case $folder in
  */telnyx-browser.*) ;;
  *) echo "not a folder of ours: $folder" >&2; exit 1 ;;
esac
mkdir -p "$folder/home" "$folder/tmp"

# Whatever a browser keeps, it keeps in there; and it asks nobody on the way.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY DISPLAY WAYLAND_DISPLAY \
  XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS
export HOME="$folder/home" TMPDIR="$folder/tmp"

"$@" >"$folder/output" 2>&1 </dev/null &
program=$!

# others: the living processes of this session but this shell. A name in stat may hold blanks.
others() {
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    pid=${line%% *}
    # shellcheck disable=SC2086
    set -- ${line##*) }
    [ "$1" != Z ] && [ "$4" = $$ ] && [ "$pid" != $$ ] && echo "$pid"
  done
}

trap : INT TERM HUP
while read -r _; do :; done

# New ones may start while the first are ended. (The function's own subshell is gone by then.)
tries=200
while [ $tries -gt 0 ]; do
  left=$(others)
  alive=
  for pid in $left; do
    kill -9 "$pid" 2>/dev/null && alive=yes
  done
  [ -n "$alive" ] || break
  wait "$program" 2>/dev/null
  sleep 0.02
  tries=$((tries - 1))
done
rm -rf "$folder" || { sleep 0.2 && rm -rf "$folder"; }

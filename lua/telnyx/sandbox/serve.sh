#!/bin/sh
# The sandbox behind nginx, in the foreground.
#
#   serve.sh [--port N] [--listen ADDRESS] [--cert FILE --key FILE] [--until-eof]
#
#   --port       default $PORT, else 12111; 0 chooses a free one
#   --listen     default 127.0.0.1; only loopback addresses are accepted
#   --cert, --key  answer https instead of http
#   --until-eof  stop when standard input ends, as it does when a test that
#                holds its other end is killed
#
# Prints one line when connections are accepted, with the base URL to use.
# SIGINT and SIGTERM stop it; it leaves nothing behind. From the environment:
#
#   LUA                the interpreter that writes the configuration
#   NGINX              the server; it must have, or load, the Lua module
#   NGINX_MODULES      the folder of its modules; default Debian's
#   SANDBOX_LUA_PATH   where its LuaJIT finds Lua modules; default where LUA does
#   SANDBOX_LUA_CPATH  likewise C modules, built for Lua 5.1

set -u
PATH=$PATH:/usr/sbin:/usr/local/sbin

port=${PORT:-12111} listen='' cert='' key='' until_eof=''

complain() {
  echo "telnyx sandbox: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --until-eof) until_eof=yes; shift; continue ;;
    --port | --listen | --cert | --key) [ $# -ge 2 ] || complain "$1 needs a value" ;;
    *) complain "unknown option $1" ;;
  esac
  case $1 in
    --port) port=$2 ;;
    --listen) listen=$2 ;;
    --cert) cert=$2 ;;
    --key) key=$2 ;;
  esac
  shift 2
done

# Beside the rest of the module, wherever that is, it needs no LUA_PATH.
root=$(cd "$(dirname "$0")/../.." && pwd)
[ -f "$root/telnyx/sandbox/serve.lua" ] || root=''

# run_lua INTERPRETER [ARGUMENTS OF serve.lua]
run_lua() {
  interpreter=$1
  shift
  "$interpreter" - "$root" "$@" <<'LUA'
local root = ...
if root ~= "" then
  package.path = root .. "/?.lua;" .. root .. "/?/init.lua;" .. package.path
end
local serve = require("telnyx.sandbox.serve")
if select("#", ...) > 1 then serve(select(2, ...)) end
LUA
}

find_lua() {
  for candidate in ${LUA:-lua5.4 luajit lua5.1 lua}; do
    run_lua "$candidate" >/dev/null 2>&1 && echo "$candidate" && return
  done
  return 1
}

lua=$(find_lua) || complain "no Lua interpreter finds telnyx.sandbox: set LUA and LUA_PATH"
nginx=${NGINX:-nginx}
command -v "$nginx" >/dev/null 2>&1 ||
  complain "nginx with its Lua module is needed: apt-get install libnginx-mod-http-lua"

prefix=$(mktemp -d "${TMPDIR:-/tmp}/telnyx-sandbox.XXXXXX") || exit 1
server='' watcher=''

# shellcheck disable=SC2317
clean_up() {
  trap '' INT TERM HUP
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; }
  rm -rf "$prefix"
}
trap clean_up EXIT
trap 'exit 0' INT TERM HUP

# A process of the background reads /dev/null unless told otherwise.
exec 3<&0

# This shell may have been killed, so the watcher also does its work. (To ask
# first would not do: a killed process still answers until it is waited for.)
watch_input() {
  while read -r _; do :; done <&3
  kill "$$" 2>/dev/null
  kill "$1" 2>/dev/null
  rm -rf "$prefix"
}

# nginx itself says on standard output that it is ready.
start() {
  "$nginx" -p "$prefix" -e error.log -c nginx.conf 2>"$prefix/stderr" 3<&- &
  server=$!
  [ -n "$until_eof" ] || return 0
  watch_input "$server" &
  watcher=$!
}

finish() {
  wait "$server"
  server=
  [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
  watcher=
}

port_was_taken() {
  grep -q 'Address already in use' "$prefix/error.log"
}

free_port() {
  # Below the range from which the kernel takes ports for outgoing connections.
  echo $((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
}

mkdir "$prefix/temp"
attempts=20
while :; do
  chosen=$port
  [ "$port" != 0 ] || chosen=$(free_port)
  run_lua "$lua" "$prefix/nginx.conf" "$listen" "$chosen" "$cert" "$key" || exit 1
  start
  finish
  port_was_taken || break
  [ "$port" = 0 ] || complain "port $port is in use: choose another with PORT=N or --port N"
  attempts=$((attempts - 1))
  [ $attempts -gt 0 ] || complain "found no free port"
done
# Before nginx has its log it complains on standard error, afterwards there.
log=$prefix/error.log
[ -s "$log" ] || log=$prefix/stderr
cat "$log" >&2
complain "nginx has stopped"

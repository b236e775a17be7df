#!/bin/sh
# The sandbox behind nginx, in the foreground.
#
#   serve.sh [--port N] [--listen ADDRESS] [--cert FILE --key FILE] [--signing-seed HEX]
#            [--open] [--until-eof] [--while FILE]
#
#   --port       default $PORT, else 12111; 0 chooses a free one
#   --listen     default 127.0.0.1; only loopback addresses are accepted
#   --cert, --key  answer https instead of http
#   --signing-seed  what webhooks are signed with: 64 hexadecimal digits; default
#                $SANDBOX_SIGNING_SEED, else random ones
#   --open       open its page in a browser: $BROWSER, xdg-open or open
#   --until-eof  stop when standard input ends, as it does when a test that
#                holds its other end is killed
#   --while      stop when FILE is gone, or the process that started this; FILE
#                is taken away in the end
#
# Prints some lines when connections are accepted: the address of its page, then
# what a program has to know, as TELNYX_BASE_URL=… and TELNYX_PUBLIC_KEY=….
# SIGINT, SIGTERM and SIGHUP stop it; it leaves nothing behind. From the environment:
#
#   LUA                the interpreter that writes the configuration
#   NGINX              the server; it must have, or load, the Lua module
#   NGINX_MODULES      the folder of its modules; default Debian's
#   SANDBOX_LUA_PATH   where its LuaJIT finds Lua modules; default where LUA does
#   SANDBOX_LUA_CPATH  likewise C modules, built for Lua 5.1

set -u
PATH=$PATH:/usr/sbin:/usr/local/sbin

port=${PORT:-12111} listen='' cert='' key='' until_eof='' while='' open=''
seed=${SANDBOX_SIGNING_SEED:-}

complain() {
  echo "telnyx sandbox: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --until-eof) until_eof=yes; shift; continue ;;
    --help | -h) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit ;;
    --open) open=yes; shift; continue ;;
    --port | --listen | --cert | --key | --signing-seed | --while) [ $# -ge 2 ] || complain "$1 needs a value" ;;
    *) complain "unknown option $1" ;;
  esac
  case $1 in
    --port) port=$2 ;;
    --listen) listen=$2 ;;
    --cert) cert=$2 ;;
    --key) key=$2 ;;
    --signing-seed) seed=$2 ;;
    --while) while=$2 ;;
  esac
  shift 2
done

# Beside the rest of the module, wherever that is, it needs no LUA_PATH.
root=$(cd "$(dirname "$0")/../.." && pwd)
[ -f "$root/telnyx/sandbox/serve.lua" ] || root=''

# What nginx loads is built for Lua 5.1: in an installed copy and in a checkout
# it has its place.
case $root in
  */share/lua/*) core=${root%/share/lua/*}/lib/lua/5.1 ;;
  */lua) core=${root%/lua}/build/5.1 ;;
  *) core='' ;;
esac

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

# A page that is open is a file that is open. Not every shell may have as many.
wanted=4096
allow_files() {
  case $(ulimit -n) in
    unlimited) return ;;
    *) [ "$(ulimit -n)" -lt $wanted ] || return ;;
  esac
  { ulimit -Sn $wanted || ulimit -Sn "$(ulimit -Hn)"; } 2>/dev/null
}
allow_files
files=$(ulimit -n)
case $files in
  unlimited) files=$wanted ;;
  *) [ "$files" -lt $wanted ] || files=$wanted ;;
esac

prefix=$(mktemp -d "${TMPDIR:-/tmp}/telnyx-sandbox.XXXXXX") || exit 1
server='' watchers=''

# shellcheck disable=SC2317
clean_up() {
  trap '' INT TERM HUP
  # shellcheck disable=SC2086
  [ -z "$watchers" ] || kill $watchers 2>/dev/null
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; }
  rm -rf "$prefix" ${while:+"$while"}
}
trap clean_up EXIT
trap 'exit 0' INT TERM HUP

# A process of the background reads /dev/null unless told otherwise.
exec 3<&0

# This shell may have been killed, so the watcher also does its work. (To ask
# first would not do: a killed process still answers until it is waited for.)
end_all() {
  kill "$$" 2>/dev/null
  kill "$1" 2>/dev/null
  rm -rf "$prefix" ${while:+"$while"}
}

watch_input() {
  while read -r _; do :; done <&3
  end_all "$1"
}

watch_file() {
  while [ -e "$while" ] && kill -0 "$PPID" 2>/dev/null; do sleep 1; done
  end_all "$1"
}

# In a session of its own where that can be had, a browser outlives Ctrl-C here.
browse() {
  detach=$(command -v setsid)
  for program in ${BROWSER:+"${BROWSER%%:*}"} xdg-open open; do
    command -v "${program%% *}" >/dev/null 2>&1 || continue
    # shellcheck disable=SC2086
    $detach $program "$1" </dev/null >/dev/null 2>&1 ||
      echo "telnyx sandbox: ${program%% *} failed: open $1 yourself" >&2
    return
  done
  echo "telnyx sandbox: there is no browser here: open $1 in one" >&2
}

open_page() {
  until [ -s "$prefix/page" ]; do
    kill -0 "$1" 2>/dev/null || return
    sleep 0.1 2>/dev/null || sleep 1
  done
  browse "$(cat "$prefix/page")"
}

# nginx itself says on standard output that it is ready.
start() {
  "$nginx" -p "$prefix" -e error.log -c nginx.conf 2>"$prefix/stderr" 3<&- &
  server=$!
  if [ -n "$until_eof" ]; then
    watch_input "$server" &
    watchers=$!
  fi
  if [ -n "$while" ]; then
    watch_file "$server" >/dev/null 2>&1 3<&- &
    watchers="$watchers $!"
  fi
  if [ -n "$open" ]; then
    open_page "$server" 3<&- &
    watchers="$watchers $!"
  fi
}

finish() {
  wait "$server"
  server=
  # shellcheck disable=SC2086
  [ -z "$watchers" ] || kill $watchers 2>/dev/null
  watchers=
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
  run_lua "$lua" "$prefix/nginx.conf" "$listen" "$chosen" "$cert" "$key" "$seed" \
    "$files" "$core" || exit 1
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
if grep -q "module 'telnyx.core' not found" "$log"; then
  complain "nginx runs LuaJIT, and finds no telnyx/core.so for it${core:+ (as in $core)}:
  make install LUA=jit with the same PREFIX, or set SANDBOX_LUA_CPATH"
fi
cat "$log" >&2
complain "nginx has stopped"

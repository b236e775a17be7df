#!/bin/sh
# until_eof.sh FOLDER COMMAND [ARGUMENT...]
#
# Runs a program until standard input ends, as it does when the spec that holds its other end stops
# or dies; then ends the program and takes its folder away.
set -u
folder=$1
shift
case $folder in
  */telnyx-host.*) ;;
  *) echo "not a folder of ours: $folder" >&2; exit 1 ;;
esac

"$@" >"$folder/output" 2>&1 </dev/null &
program=$!
echo "$program" >"$folder/pid"

# For a program that does not heed the first signal. Its pause must end with it: whatever the spec
# has open stays open in here too.
insist() {
  nap=
  trap 'kill $nap; exit' TERM
  sleep 5 &
  nap=$!
  wait "$nap"
  kill -9 "$1"
}

# A signal, to a terminal's whole group for instance, ends the waiting too.
trap : INT TERM HUP
while read -r _; do :; done

kill "$program" 2>/dev/null
insist "$program" >/dev/null 2>&1 &
insisting=$!
wait "$program" 2>/dev/null
kill "$insisting" 2>/dev/null
wait "$insisting" 2>/dev/null
rm -rf "$folder"

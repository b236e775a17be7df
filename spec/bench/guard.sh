#!/bin/sh
# What the guard costs: instructions for one message, with and without it, counted by callgrind. The
# cost of starting is taken out by counting two runs. Fails above LIMIT per cent.
#
#   guard.sh PROGRAM CPATH_WITH CPATH_WITHOUT
set -eu
program=$1 with=$2 without=$3
few=200 many=1200
LIMIT=${LIMIT:-2}
ROUNDS=${ROUNDS:-3}

instructions() { # cpath, sends
  LUA_CPATH="$1/?.so;;" valgrind --tool=callgrind --callgrind-out-file=/dev/null \
    --child-silent-after-fork=yes "$program" "$2" 2>&1 | sed -n 's/.*Collected *: *//p'
}

# The least of some rounds: how often a wait is cut short is up to the machine.
per_message() { # cpath
  least=
  for _ in $(seq "$ROUNDS"); do
    a=$(instructions "$1" $few) b=$(instructions "$1" $many)
    one=$(((b - a) / (many - few)))
    if [ -z "$least" ] || [ "$one" -lt "$least" ]; then least=$one; fi
  done
  echo "$least"
}

guarded=$(per_message "$with")
bare=$(per_message "$without")
awk -v guarded="$guarded" -v bare="$bare" -v limit="$LIMIT" 'BEGIN {
  cost = 100 * (guarded - bare) / bare
  printf "guard: %d instructions a message with it, %d without: %+.2f %%\n", guarded, bare, cost
  exit cost > limit
}'

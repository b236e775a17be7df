#!/bin/sh
# with_sandbox.sh: runs a command beside a sandbox of its own: sh with_sandbox.sh node --test
# SERVE is the sandbox's serve.sh, if it is not where a checkout has it.
set -eu
serve=${SERVE:-$(dirname "$0")/../../lua/telnyx/sandbox/serve.sh}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM

# The sandbox ends when nobody holds its standard input any more, however this script ends.
mkfifo "$folder/input"
sh "$serve" --port 0 --until-eof <"$folder/input" >"$folder/said" 2>&1 &
exec 3>"$folder/input"

# What it says last is how to stop it.
until grep -q '^  stop ' "$folder/said"; do
  kill -0 $! 2>/dev/null || { cat "$folder/said" >&2; exit 1; }
  sleep 0.1
done
said() { grep -o "$1=[^ ]*" "$folder/said" | cut -d = -f 2-; }
TELNYX_API_KEY=$(said TELNYX_API_KEY)
TELNYX_BASE_URL=$(said TELNYX_BASE_URL)
TELNYX_PUBLIC_KEY=$(said TELNYX_PUBLIC_KEY)
export TELNYX_API_KEY TELNYX_BASE_URL TELNYX_PUBLIC_KEY

"$@" 3>&-

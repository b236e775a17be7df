#!/bin/sh
# A module shares its process with whatever its host has loaded: it shows one symbol and no more.
set -eu
for module in "$@"; do
  shown=$(nm -D --defined-only "$module" | awk '{ print $3 }')
  if [ "$shown" != luaopen_telnyx_core ]; then
    echo "$module shows more than luaopen_telnyx_core: $shown" >&2
    exit 1
  fi
  if ! readelf -d "$module" | grep -q NODELETE; then
    echo "$module may be unmapped while its threads run" >&2
    exit 1
  fi
done

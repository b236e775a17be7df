#!/bin/sh
# The rock installs into a tree of its own and sends a message from there, with the checkout out of
# the path. No network: what it depends on is installed already.
set -eu
here=$(pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
triplet=$(gcc -print-multiarch)

luarocks lint telnyx-scm-1.rockspec
for version in 5.1 5.4; do
  # A copy, since LuaRocks builds in place with flags of its own.
  cp -R "$here" "$tree/source-$version"
  (
    cd "$tree/source-$version"
    rm -rf build
    luarocks --lua-version "$version" make --deps-mode none --tree "$tree/$version" \
      telnyx-scm-1.rockspec CURL_INCDIR="/usr/include/$triplet" CURL_LIBDIR="/usr/lib/$triplet" \
      >"$tree/log" 2>&1 || { cat "$tree/log" >&2; exit 1; }
  )
  sh .ci/hardening.sh "$tree/$version/lib/lua/$version/telnyx/core.so"
  case $version in 5.1) lua=luajit ;; *) lua=lua$version ;; esac
  (
    cd /
    LUA_PATH="$tree/$version/share/lua/$version/?.lua;$tree/$version/share/lua/$version/?/init.lua;/usr/share/lua/$version/?.lua;;" \
    LUA_CPATH="$tree/$version/lib/lua/$version/?.so;;" \
      "$lua" "$here/spec/installed.lua" "$tree/$version"
  )
done

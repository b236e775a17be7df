#!/bin/sh
# One Lua's share of the bench: send.sh 5.4|jit send|decode URL N, with the checkout's modules.
case $1 in jit) lua=luajit build=5.1 ;; *) lua=lua$1 build=$1 ;; esac
export LUA_PATH="./lua/?.lua;./lua/?/init.lua;;" LUA_CPATH="./build/$build/?.so;;"
exec "$lua" "spec/bench/$2.lua" "$3" "$4"

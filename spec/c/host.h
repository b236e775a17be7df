/* A Lua state with a client for a canned service, for programs that embed Lua. */
#ifndef HOST_H
#define HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "canned.h"

/* The globals of every state: core, client, and send(reference, words) -> outcome. */
static const char HOST_SETUP[] =
    "core = require 'telnyx.core' "
    "function message(reference, words) "
    "  return { from = '+18445550001', to = '+18665550001', "
    "    text = ('ref:%d %s'):format(reference, words or '') } "
    "end "
    "function outcome(message, info) return info.outcome end "
    "function open() "
    "  return core.client { api_key = 'KEY_HOST', base_url = base_url, timeout = 10 } "
    "end "
    "client = open() "
    "function send(...) return outcome(client:send(message(...))) end ";

/* Runs `text`; returns the string or number that it returns, valid until the next call, or NULL
 * with the error told. */
static const char *host_run(lua_State *L, const char *text) {
  lua_settop(L, 0);
  if (luaL_loadstring(L, text) != 0 || lua_pcall(L, 0, 1, 0) != 0) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    return NULL;
  }
  const char *value = lua_tostring(L, -1);
  return value ? value : "";
}

/* Ends the program when it cannot. */
static lua_State *host_open(const canned *service) {
  lua_State *L = luaL_newstate();
  if (!L) exit(1);
  luaL_openlibs(L);
  lua_pushfstring(L, "http://127.0.0.1:%d/v2", service->port);
  lua_setglobal(L, "base_url");
  if (!host_run(L, HOST_SETUP)) exit(1);
  return L;
}

#endif

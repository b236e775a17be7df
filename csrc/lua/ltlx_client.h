/* The client as its two sources know it: what it is, and how it carries. Internal to this folder.
 */
#ifndef LTLX_CLIENT_H
#define LTLX_CLIENT_H

#include "ltlx.h"
#include "tlx_http.h"

/* With the version: two builds in one state must not share a metatable. */
#define LTLX_CLIENT "telnyx.core.client " TLX_VERSION

#define LTLX_MAX_SECONDS 1e6

/*
 * A client's user value is a table with numbered slots, as luaL_ref gives them, that hold for each
 * request in flight its pending, so that what was begun is not collected before it is done, and its
 * owner. Numbers, since a table whose keys are always new ones is rehashed again and again. The
 * same table is the user value of every pending.
 */
typedef struct ltlx_client {
  tlx_http *http; /* NULL once closed */
  double timeout_s, connect_timeout_s;
} ltlx_client;

/* The client that is the first argument; raises when it is something else, and the latter also when
 * it is closed. [-0, +0] */
ltlx_client *ltlx_to_client(lua_State *L);
ltlx_client *ltlx_to_open_client(lua_State *L);

/* ltlx_pending.c: methods of a client, with the table of the JSON instance as their upvalue. */

int ltlx_client_send(lua_State *L);
int ltlx_client_start(lua_State *L);
int ltlx_client_finished(lua_State *L);

/* Makes the type of pendings, for the JSON instance on top, and keeps in its table what results
 * need. [-0, +0] */
void ltlx_open_pending(lua_State *L);

#endif

#include <math.h>

#include "ltlx_client.h"

#define PENDING "telnyx.core.pending " TLX_VERSION

#define MAX_SLICE_MS 100

typedef struct pending {
  tlx_transfer *transfer;
  int slot, owner_slot; /* in the client's user value; 0 when it has none */
  bool is_inquiry;      /* another request than that of a message */
  bool is_being_taken;  /* its result is made of it, and what runs meanwhile must leave it be */
  bool has_begun;       /* of one whose result was taken */
} pending;

enum { MESSAGE = 2, LIMITS, OWNER, BODY, RESOURCE, NAMES, KEY, RECIPIENT, PENDING_INDEX };

/* What is sent stays on the stack until it is copied: a finalizer may change the message and the
 * limits. [-0, +1] */
static tlx_str push_idempotency_key(lua_State *L) {
  tlx_str key = { NULL, 0 };
  lua_pushnil(L);
  if (!lua_istable(L, LIMITS)) return key;
  ltlx_field_string(L, LIMITS, "idempotency_key"); /* raises what is of another type */
  lua_pop(L, 1);
  lua_pushliteral(L, "idempotency_key");
  lua_rawget(L, LIMITS);
  if (lua_type(L, -1) == LUA_TSTRING) key.p = lua_tolstring(L, -1, &key.n);
  ltlx_check_idempotency_key(L, key);
  return key;
}

static tlx_http_limits read_limits(lua_State *L, const ltlx_client *c) {
  double timeout_s = c->timeout_s, connect_timeout_s = c->connect_timeout_s, deadline_s = 0;
  bool fresh = false;
  if (!lua_isnoneornil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    timeout_s = ltlx_field_number(L, 3, "timeout", 0.001, LTLX_MAX_SECONDS, timeout_s);
    connect_timeout_s =
        ltlx_field_number(L, 3, "connect_timeout", 0.001, LTLX_MAX_SECONDS, connect_timeout_s);
    deadline_s = ltlx_field_number(L, 3, "deadline", 0.001, LTLX_MAX_SECONDS, 0);
    fresh = ltlx_field_boolean(L, 3, "fresh");
  }
  return (tlx_http_limits){
    .deadline_ms = lround((deadline_s > 0 ? deadline_s : timeout_s) * 1000),
    .timeout_ms = lround(timeout_s * 1000),
    .connect_timeout_ms = lround(connect_timeout_s * 1000),
    .fresh = fresh,
  };
}

/* The pending at `index` and the owner at `owner` enter the slots at `slots`. [-0, +0] */
static void hold(lua_State *L, int slots, int index, int owner) {
  pending *p = lua_touserdata(L, index);
  lua_pushvalue(L, index);
  p->slot = luaL_ref(L, slots);
  if (lua_isnoneornil(L, owner)) return;
  lua_pushvalue(L, owner);
  p->owner_slot = luaL_ref(L, slots);
}

/* The client may have been closed meanwhile, and its slots emptied. [-0, +0] */
static void free_slot(lua_State *L, int slots, int *slot) {
  if (*slot <= 0) return;
  lua_rawgeti(L, slots, *slot);
  if (!lua_isnil(L, -1)) luaL_unref(L, slots, *slot);
  lua_pop(L, 1);
  *slot = 0;
}

/* Assigns the value on top to a field of the limits, if it is there: memory may be short.
 * [-1, +0] */
static void tell_limits(lua_State *L, const char *name) {
  int value = lua_gettop(L);
  if (lua_istable(L, LIMITS)) {
    lua_pushstring(L, name);
    lua_pushvalue(L, -1);
    lua_rawget(L, LIMITS);
    bool is_there = !lua_isnil(L, -1);
    lua_pushvalue(L, value);
    lua_replace(L, -2);
    if (is_there) lua_rawset(L, LIMITS);
  }
  lua_settop(L, value - 1);
}

static void tell_begun(lua_State *L, bool has_begun) {
  lua_pushboolean(L, has_begun);
  tell_limits(L, "begun");
}

/* [-0, +0] */
static void let_go(lua_State *L, int index) {
  pending *p = lua_touserdata(L, index);
  ltlx_getuservalue(L, index);
  int slots = lua_gettop(L);
  free_slot(L, slots, &p->slot);
  free_slot(L, slots, &p->owner_slot);
  lua_pop(L, 1);
}

/* A message that a client has judged before goes by what it was told. */
static tlx_policy read_policy(lua_State *L) {
  bool is_judged = lua_istable(L, LIMITS) && ltlx_field_boolean(L, LIMITS, "judged");
  return is_judged ? tlx_policy_of_judged() : (tlx_policy){ 0, false };
}

/* Leaves the body on top: as the limits have it, or else that of the message if it is in order.
 * Returns false when it is not, and leaves nil, err. */
static bool push_checked_body(lua_State *L) {
  if (lua_istable(L, LIMITS)) {
    lua_pushliteral(L, "body");
    lua_rawget(L, LIMITS);
    if (lua_type(L, -1) == LUA_TSTRING) return true;
    lua_pop(L, 1);
  }
  const ltlx_judging judging = { ltlx_now(), read_policy(L) };
  bool is_right = ltlx_push_checked_body(L, MESSAGE, &judging);
  if (is_right) lua_pop(L, 1); /* warnings are for who asks core.encode */
  return is_right;
}

/* [-0, +2] */
static ltlx_inquiry push_inquiry(lua_State *L) {
  if (lua_istable(L, LIMITS)) return ltlx_read_inquiry(L, LIMITS);
  lua_settop(L, NAMES);
  return (ltlx_inquiry){ .is_given = false };
}

/* Of a message; of an inquiry what its reply names. [-0, +1] */
static tlx_str push_recipient(lua_State *L, const ltlx_inquiry *inquiry) {
  tlx_str recipient = { NULL, 0 };
  if (inquiry->is_given) {
    lua_pushnil(L);
    return inquiry->names;
  }
  lua_pushliteral(L, "to");
  lua_rawget(L, MESSAGE);
  if (lua_type(L, -1) == LUA_TSTRING) recipient.p = lua_tolstring(L, -1, &recipient.n);
  return recipient;
}

/* Before anything is begun, so that no error can come between. [-0, +0] */
static void tell_of_it(lua_State *L, bool is_held) {
  if (is_held) {
    lua_pushvalue(L, PENDING_INDEX);
    tell_limits(L, "pending");
  } else {
    tell_begun(L, true); /* until it is known */
  }
  lua_settop(L, PENDING_INDEX);
}

/*
 * Validates and begins. The only step from which bytes may leave is the last, and nothing after it
 * can raise. Returns true and leaves the pending at PENDING_INDEX, on top, or false and leaves nil,
 * err. What is held is not collected before it is done.
 */
static bool begin(lua_State *L, ltlx_client *c, bool is_held) {
  luaL_checktype(L, MESSAGE, LUA_TTABLE);
  lua_settop(L, OWNER);
  tlx_http_limits limits = read_limits(L, c);
  if (!push_checked_body(L)) return false;
  ltlx_inquiry inquiry = push_inquiry(L);
  tlx_post post = {
    .idempotency_key = push_idempotency_key(L),
    .method = inquiry.method,
    .resource = inquiry.resource,
  };
  post.body.p = lua_tolstring(L, BODY, &post.body.n);
  tlx_str recipient = push_recipient(L, &inquiry);
  pending *p = ltlx_new_object(L, sizeof *p, PENDING);
  p->is_inquiry = inquiry.is_given;
  ltlx_getuservalue(L, 1);
  if (is_held) hold(L, PENDING_INDEX + 1, PENDING_INDEX, OWNER);
  ltlx_setuservalue(L, PENDING_INDEX);
  luaL_checkstack(L, 16, "no room for the answer");
  tell_of_it(L, is_held);
  if (!c->http) { /* closed by a finalizer that ran while we allocated */
    let_go(L, PENDING_INDEX);
    tell_begun(L, false);
    luaL_error(L, "the client is closed; nothing was sent");
  }
  p->transfer = tlx_http_start(c->http, &post, recipient, &limits, is_held ? p : NULL);
  if (p->transfer) return true;
  let_go(L, PENDING_INDEX);
  tell_begun(L, false);
  luaL_error(L, "out of memory; nothing was sent");
  return false;
}

static int push_result(lua_State *L) {
  pending *p = lua_touserdata(L, 1);
  tlx_transfer_result result = tlx_transfer_result_of(p->transfer);
  const ltlx_answer answer = {
    .carriage = result.carriage,
    .was_stale = result.was_stale,
    .was_waiting = result.was_waiting,
    .reply = result.reply,
    .body = result.body,
    .cause = result.cause,
    .now_s = ltlx_now(),
    .recipient = result.recipient,
    .is_inquirys = p->is_inquiry,
  };
  return ltlx_push_answer(L, &answer);
}

/* Takes the request with it. Returns whether anybody may have read a byte of it. */
static bool cancel(pending *p) {
  if (p->transfer) p->has_begun = tlx_transfer_has_begun(p->transfer);
  if (p->is_being_taken) return p->has_begun;
  tlx_transfer_free(p->transfer);
  p->transfer = NULL;
  return p->has_begun;
}

/*
 * Pushes the result of the pending at `index`, which is done. Where memory runs out, the error says
 * that the request went out: with words made beforehand, since none can be made then. Finalizers
 * and hooks run on the way: it is freed when that is over, and can be taken again after an error.
 */
static int take_result(lua_State *L, int index) {
  int top = lua_gettop(L);
  pending *p = lua_touserdata(L, index);
  p->is_being_taken = true;
  lua_rawgeti(L, lua_upvalueindex(1), LTLX_KEPT_PUSH_RESULT);
  lua_pushvalue(L, index);
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  p->is_being_taken = false;
  if (status == 0) cancel(p);
  if (status == LUA_ERRMEM) {
    lua_settop(L, top);
    lua_rawgeti(L, lua_upvalueindex(1), LTLX_KEPT_LOST_WORDS);
  }
  if (status != 0) return lua_error(L);
  return lua_gettop(L) - top;
}

/* The error is on top. */
static int leave_by_error(lua_State *L, pending *p) {
  tell_begun(L, cancel(p));
  return lua_error(L);
}

/* Lets the caller's own work go on meanwhile; its errors end the send. Returns how long it may be
 * left alone then, in milliseconds. [-0, +0] */
static long call_meanwhile(lua_State *L, pending *p) {
  lua_pushvalue(L, OWNER);
  if (lua_pcall(L, 0, 1, 0) != 0) leave_by_error(L, p);
  double wait_s = (double)lua_tonumber(L, -1);
  lua_pop(L, 1);
  return wait_s > 0 && wait_s < MAX_SLICE_MS / 1e3 ? (long)ceil(wait_s * 1e3) : MAX_SLICE_MS;
}

/*
 * client:send(message [, limits [, meanwhile]]) -> message, info | nil, err
 *
 * One call from the request to its answer: an error on the way, such as a hook's, finds no request
 * that is left to itself. `meanwhile()` is called at least every tenth of a second, and returns the
 * seconds until it would be called again. Where the limits have a field `begun`, it tells
 * afterwards, also of what an error ended, whether anybody may have read a byte of the request.
 */
int ltlx_client_send(lua_State *L) {
  ltlx_client *c = ltlx_to_open_client(L);
  if (!begin(L, c, false)) return 2;
  pending *p = lua_touserdata(L, PENDING_INDEX);
  bool has_meanwhile = !lua_isnoneornil(L, OWNER);
  long wait_ms = has_meanwhile ? 0 : MAX_SLICE_MS;
  while (!tlx_transfer_is_done(p->transfer)) {
    tlx_http_step(c->http, wait_ms);
    if (has_meanwhile && !tlx_transfer_is_done(p->transfer)) wait_ms = call_meanwhile(L, p);
  }
  tlx_transfer_claim(p->transfer);
  if (!tlx_transfer_has_begun(p->transfer)) tell_begun(L, false);
  return take_result(L, PENDING_INDEX);
}

/* client:start(message [, limits [, owner]]) -> pending | nil, err
 *
 * Where the limits have a field `pending`, it gets the pending before anything of it is begun. */
int ltlx_client_start(lua_State *L) {
  return begin(L, ltlx_to_open_client(L), true) ? 1 : 2;
}

/* client:finished() -> the owner of the next pending that is done, or else itself | nil */
int ltlx_client_finished(lua_State *L) {
  const ltlx_client *c = ltlx_to_client(L);
  tlx_transfer *transfer = c->http ? tlx_http_finished(c->http) : NULL;
  if (!transfer) return 0;
  const pending *p = tlx_transfer_owner(transfer);
  ltlx_getuservalue(L, 1);
  int slots = lua_gettop(L);
  lua_rawgeti(L, slots, p->owner_slot ? p->owner_slot : p->slot);
  lua_rawgeti(L, slots, p->slot);
  let_go(L, slots + 2);
  lua_settop(L, slots + 1);
  return 1;
}

static pending *to_pending(lua_State *L) {
  return luaL_checkudata(L, 1, PENDING);
}

/* pending:done() */
static int l_pending_done(lua_State *L) {
  const pending *p = to_pending(L);
  lua_pushboolean(L, !p->transfer || tlx_transfer_is_done(p->transfer));
  return 1;
}

/* pending:result() -> what send returns, once; raises while in flight */
static int l_pending_result(lua_State *L) {
  const pending *p = to_pending(L);
  if (!p->transfer || p->is_being_taken) luaL_error(L, "the result was taken already");
  if (!tlx_transfer_is_done(p->transfer)) luaL_error(L, "not done yet");
  tlx_transfer_claim(p->transfer);
  let_go(L, 1);
  return take_result(L, 1);
}

/* pending:cancel() -> whether anybody may have read a byte of it: nothing of it is sent any more */
static int l_pending_cancel(lua_State *L) {
  pending *p = to_pending(L);
  lua_pushboolean(L, cancel(p));
  let_go(L, 1);
  return 1;
}

static int l_pending_gc(lua_State *L) {
  cancel(to_pending(L));
  return 0;
}

/* What take_result needs when memory is short, made while it is not. */
static void keep_for_results(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, push_result, 1);
  lua_rawseti(L, -2, LTLX_KEPT_PUSH_RESULT);
  lua_pushliteral(L,
                  "out of memory after the request went out: do not send again without checking");
  lua_rawseti(L, -2, LTLX_KEPT_LOST_WORDS);
}

void ltlx_open_pending(lua_State *L) {
  static const luaL_Reg methods[] = {
    { "done", l_pending_done },
    { "result", l_pending_result },
    { "cancel", l_pending_cancel },
    { NULL, NULL },
  };
  static const luaL_Reg metamethods[] = { { "__gc", l_pending_gc }, { NULL, NULL } };
  keep_for_results(L);
  lua_pushvalue(L, -1);
  ltlx_register_type(L, PENDING, methods, metamethods, 1);
}

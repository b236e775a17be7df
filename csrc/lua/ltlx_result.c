#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ltlx.h"
#include "tlx_number.h"

static void set_rate_limit(lua_State *L, const tlx_verdict *verdict) {
  if (verdict->limit < 0 && verdict->remaining < 0 && verdict->reset_s < 0) return;
  lua_createtable(L, 0, 3);
  if (verdict->limit >= 0) ltlx_set_number(L, "limit", verdict->limit);
  if (verdict->remaining >= 0) ltlx_set_number(L, "remaining", verdict->remaining);
  if (verdict->reset_s >= 0) ltlx_set_number(L, "reset", verdict->reset_s);
  lua_setfield(L, -2, "ratelimit");
}

/* It ends up in logs: what is not printable is no id. */
static bool is_visible(const char *id) {
  for (const char *p = id; *p; p++) {
    if (*p <= ' ' || *p > '~') return false;
  }
  return *id != '\0';
}

/* What `info` and `err` have in common. [-0, +1] */
static void push_account(lua_State *L, const ltlx_answer *answer, const tlx_verdict *verdict) {
  const tlx_reply *reply = answer->reply;
  lua_createtable(L, 0, 8);
  ltlx_set_words(L, "outcome", tlx_outcome_name(verdict->outcome));
  if (answer->carriage.begun && tlx_is_final_status(reply->status)) {
    ltlx_set_count(L, "status", (size_t)reply->status);
  }
  if (is_visible(reply->request_id)) ltlx_set_words(L, "request_id", reply->request_id);
  if (verdict->retry_after_s >= 0) ltlx_set_number(L, "retry_after", verdict->retry_after_s);
  set_rate_limit(L, verdict);
}

/* Replaces the decoded reply on top by its `data` if that is a message: a table with an id.
 * [-1, +1] or, when it is none, [-1, +0] */
static bool take_message(lua_State *L) {
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, "data");
    lua_remove(L, -2);
  }
  if (!lua_istable(L, -1)) {
    lua_pop(L, 1);
    return false;
  }
  lua_getfield(L, -1, "id");
  bool has_id = lua_type(L, -1) == LUA_TSTRING && ltlx_rawlen(L, -1) > 0;
  lua_pop(L, has_id ? 1 : 2);
  return has_id;
}

/* The number that the message on top was accepted for, if it says one. A view that the message
 * keeps alive. [-0, +0] */
static tlx_str recipient_of(lua_State *L) {
  tlx_str number = { NULL, 0 };
  int top = lua_gettop(L);
  lua_getfield(L, top, "to");
  if (lua_istable(L, -1)) lua_rawgeti(L, -1, 1);
  if (lua_istable(L, -1)) lua_getfield(L, -1, "phone_number");
  if (lua_type(L, -1) == LUA_TSTRING) number.p = lua_tolstring(L, -1, &number.n);
  lua_settop(L, top);
  return number;
}

/* Whether the message on top is for another recipient than the one that was written to. What the
 * service does not say, or what either writes otherwise than in E.164, is no evidence. [-0, +0] */
static bool is_anothers(lua_State *L, tlx_str recipient) {
  tlx_str number = recipient_of(L);
  return tlx_is_e164(recipient) && tlx_is_e164(number) && !tlx_str_eq(number, recipient);
}

/* The entry of the list is at -2. */
static void set_number_as_code(lua_State *L, double code) {
  bool is_code = code >= 0 && code < 1e6 && code == floor(code);
  if (is_code) {
    lua_pushfstring(L, "%d", (int)code);
  } else {
    lua_pushnil(L);
  }
  lua_setfield(L, -3, "code");
}

static void set_code_as_string(lua_State *L) {
  lua_getfield(L, -1, "code");
  if (lua_type(L, -1) == LUA_TNUMBER) {
    set_number_as_code(L, (double)lua_tonumber(L, -1));
  } else if (lua_type(L, -1) != LUA_TSTRING) {
    lua_pushnil(L);
    lua_setfield(L, -3, "code");
  }
  lua_pop(L, 1);
}

/* Keeps the tables among the entries of the list on top. [-1, +1] */
static void keep_tables(lua_State *L) {
  int given = lua_gettop(L), n_kept = 0;
  lua_newtable(L);
  int n = (int)ltlx_rawlen(L, given);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, given, i);
    if (!lua_istable(L, -1)) {
      lua_pop(L, 1);
      continue;
    }
    set_code_as_string(L);
    lua_rawseti(L, given + 1, ++n_kept);
  }
  lua_remove(L, given);
}

/* Some resources answer with one error, and no envelope. Puts the decoded reply on top into one, if
 * it is such an error. [-1, +1] */
static void wrap_bare_error(lua_State *L) {
  lua_getfield(L, -1, "code");
  lua_getfield(L, -2, "title");
  bool is_error = (lua_type(L, -2) == LUA_TSTRING || lua_type(L, -2) == LUA_TNUMBER) &&
                  lua_type(L, -1) == LUA_TSTRING;
  lua_pop(L, 2);
  if (!is_error) return;
  lua_createtable(L, 0, 1);
  lua_createtable(L, 1, 0);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, 1);
  lua_setfield(L, -2, "errors");
  lua_remove(L, -2);
}

/* Replaces the decoded reply on top by its `errors`, if it is the service's envelope.
 * [-1, +1] or, when it is none, [-1, +0] */
static bool take_errors(lua_State *L) {
  if (lua_istable(L, -1)) {
    lua_getfield(L, -1, "errors");
    lua_remove(L, -2);
  }
  if (lua_istable(L, -1)) {
    keep_tables(L);
    if (ltlx_rawlen(L, -1) > 0) return true;
  }
  lua_pop(L, 1);
  return false;
}

static void copy_string_field(lua_State *L, int from, int to, const char *name) {
  lua_getfield(L, from, name);
  if (lua_type(L, -1) == LUA_TSTRING) {
    lua_setfield(L, to, name);
  } else {
    lua_pop(L, 1);
  }
}

/* The list of errors is on top, the err table below it. [-1, +0] */
static void set_errors(lua_State *L) {
  int list = lua_gettop(L), err = list - 1;
  lua_rawgeti(L, list, 1);
  copy_string_field(L, list + 1, err, "code");
  copy_string_field(L, list + 1, err, "title");
  copy_string_field(L, list + 1, err, "detail");
  lua_getfield(L, list + 1, "source");
  if (lua_istable(L, -1)) copy_string_field(L, list + 2, err, "pointer");
  lua_settop(L, list);
  lua_setfield(L, err, "errors");
}

/* The body goes out whole: whoever knows the secrets masks them before anything is cut. */
static void set_unreadable(lua_State *L, const ltlx_answer *answer) {
  int status = answer->reply->status;
  char cause[80];
  if (!tlx_is_final_status(status)) {
    snprintf(cause, sizeof cause, "HTTP %d, which is no final answer", status);
  } else if (status >= 300 && status <= 399) {
    snprintf(cause, sizeof cause, "HTTP %d, a redirect, and redirects are not followed", status);
  } else if (answer->body.n == 0) {
    snprintf(cause, sizeof cause, "HTTP %d with an empty body", status);
  } else {
    snprintf(cause, sizeof cause, "HTTP %d with a body that is not the service's", status);
    ltlx_set_string(L, "unreadable", answer->body);
  }
  ltlx_set_words(L, "cause", cause);
}

/* Pushes the list of the service's errors, if that is what the body holds. [-0, +1] or [-0, +0] */
static bool push_refusals(lua_State *L, const ltlx_answer *answer, const tlx_verdict *verdict) {
  bool may_be_refusal = answer->carriage.whole && verdict->kind == TLX_KIND_NONE &&
                        verdict->outcome != TLX_OUTCOME_ACCEPTED;
  if (!may_be_refusal) return false;
  ltlx_json_decode(L, answer->body);
  if (answer->is_inquirys && lua_istable(L, -1)) wrap_bare_error(L);
  return take_errors(L);
}

static int push_error(lua_State *L, const ltlx_answer *answer, const tlx_verdict *verdict) {
  tlx_kind kind = verdict->kind;
  lua_pushnil(L);
  push_account(L, answer, verdict);
  ltlx_set_boolean(L, "retryable", verdict->is_retryable);
  if (answer->was_stale) ltlx_set_boolean(L, "stale", true);
  if (answer->was_waiting) {
    ltlx_set_words(L, "advice",
                   "Raise max_connections or the deadline, or begin fewer sends at a time.");
  }
  if (push_refusals(L, answer, verdict)) {
    kind = TLX_KIND_API;
    set_errors(L);
  } else if (answer->carriage.whole) {
    kind = TLX_KIND_PROTOCOL;
    set_unreadable(L, answer);
  } else {
    ltlx_set_words(L, "cause", answer->cause);
  }
  ltlx_set_words(L, "kind", tlx_kind_name(kind));
  return 2;
}

static bool push_message(lua_State *L, const ltlx_answer *answer, const tlx_verdict *verdict) {
  if (verdict->outcome != TLX_OUTCOME_ACCEPTED || !answer->carriage.whole) return false;
  ltlx_json_decode(L, answer->body);
  if (!answer->is_inquirys) return take_message(L);
  if (lua_istable(L, -1)) return true;
  lua_pop(L, 1);
  return false;
}

/* The reply to another request has come in the place of this one's, whose end nobody knows. */
static int push_astray(lua_State *L, const ltlx_answer *answer, tlx_verdict *verdict) {
  verdict->outcome = TLX_OUTCOME_UNKNOWN;
  lua_pushnil(L);
  push_account(L, answer, verdict);
  ltlx_set_boolean(L, "retryable", false);
  ltlx_set_words(L, "cause", "the answer is about a message to another recipient");
  ltlx_set_words(L, "kind", tlx_kind_name(TLX_KIND_PROTOCOL));
  return 2;
}

int ltlx_push_answer(lua_State *L, const ltlx_answer *answer) {
  luaL_checkstack(L, 12, "no room for the answer");
  tlx_verdict verdict = tlx_judge(&answer->carriage, answer->reply, answer->now_s);
  if (!push_message(L, answer, &verdict)) return push_error(L, answer, &verdict);
  if (!answer->is_inquirys && is_anothers(L, answer->recipient)) {
    lua_pop(L, 1);
    return push_astray(L, answer, &verdict);
  }
  push_account(L, answer, &verdict);
  return 2;
}

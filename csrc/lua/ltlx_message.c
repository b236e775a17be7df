#include <stdio.h>
#include <string.h>

#include "ltlx.h"
#include "tlx_validate.h"

/* Words for a value at `index` that is not what was asked for. */
static const char *describe(lua_State *L, int index, tlx_message *message) {
  if (message->n_given == TLX_MAX_GIVEN) return "another value";
  char *words = message->words[message->n_given++];
  ltlx_describe(L, index, words, sizeof message->words[0]);
  return words;
}

static tlx_type type_of_other(lua_State *L, int index, int type) {
  switch (type) {
    case LUA_TBOOLEAN:
      return TLX_TYPE_BOOLEAN;
    case LUA_TTABLE:
      return TLX_TYPE_LIST;
    case LUA_TLIGHTUSERDATA:
      return lua_touserdata(L, index) ? TLX_TYPE_OTHER : TLX_TYPE_NULL;
    default:
      return TLX_TYPE_OTHER;
  }
}

static inline void read_value(lua_State *L, int index, tlx_type expected, tlx_message *message,
                              tlx_value *value) {
  int type = lua_type(L, index);
  if (type == LUA_TSTRING) {
    value->type = TLX_TYPE_STRING;
    value->str.p = lua_tolstring(L, index, &value->str.n);
  } else {
    value->type = type_of_other(L, index, type);
    if (value->type != expected) value->given = describe(L, index, message);
  }
}

/* A list is walked in the order of its places. */
static bool is_place(lua_State *L, int index, size_t place) {
  return lua_type(L, index) == LUA_TNUMBER && lua_tonumber(L, index) == (lua_Number)place;
}

/* With keys that were not met in order: a sequence all the same when 1 to n are there. */
static void read_places(lua_State *L, int table, tlx_message *message) {
  tlx_list *list = &message->media_urls;
  list->is_sequence = true;
  for (size_t i = 0; i < list->n && list->is_sequence; i++) {
    lua_rawgeti(L, table, (int)i + 1);
    list->is_sequence = !lua_isnil(L, -1);
    if (i < TLX_MAX_MEDIA && list->is_sequence) {
      read_value(L, lua_gettop(L), TLX_TYPE_STRING, message, &list->items[i]);
    }
    lua_pop(L, 1);
  }
}

static void read_list(lua_State *L, int table, tlx_message *message) {
  tlx_list *list = &message->media_urls;
  size_t n_given = message->n_given;
  list->n = 0;
  list->is_sequence = true;
  lua_pushnil(L);
  while (lua_next(L, table)) {
    size_t i = list->n++;
    list->is_sequence = list->is_sequence && is_place(L, -2, i + 1);
    if (i < TLX_MAX_MEDIA && list->is_sequence) {
      read_value(L, table + 2, TLX_TYPE_STRING, message, &list->items[i]);
    }
    lua_pop(L, 1);
  }
  if (list->is_sequence) return;
  message->n_given = n_given;
  read_places(L, table, message);
}

static void add_stranger(tlx_message *message, tlx_str name) {
  if (message->n_strangers < TLX_MAX_STRANGERS) message->strangers[message->n_strangers] = name;
  message->n_strangers++;
}

/* The key is at -2 and a string, the value on top, at `index`. */
static void read_field(lua_State *L, int index, tlx_message *message, tlx_findings *findings) {
  tlx_str name;
  name.p = lua_tolstring(L, -2, &name.n);
  tlx_field field = tlx_field_named(name);
  if (field < TLX_N_FIELDS) {
    tlx_value *value = &message->fields[field];
    read_value(L, index, tlx_field_type(field), message, value);
    bool is_media = field == TLX_FIELD_media_urls && value->type == TLX_TYPE_LIST;
    if (is_media) read_list(L, index, message);
  } else if (tlx_str_eq(name, TLX_STR("extra"))) {
    ltlx_check_extra(L, index, findings);
  } else {
    add_stranger(message, name);
  }
}

static void tell_odd_key(lua_State *L, tlx_findings *findings) {
  char key[40];
  ltlx_describe(L, -2, key, sizeof key);
  tlx_findings_add(findings, TLX_RULE_message_key, "", "a message's keys are field names, got %s",
                   key);
}

void ltlx_read_message(lua_State *L, int index, tlx_message *message, tlx_findings *findings) {
  index = ltlx_absindex(L, index);
  tlx_message_start(message);
  int value = lua_gettop(L) + 2;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      read_field(L, value, message, findings);
    } else {
      tell_odd_key(L, findings);
    }
    lua_pop(L, 1);
  }
}

bool ltlx_check_message(lua_State *L, int index, const ltlx_judging *judging,
                        tlx_findings *findings) {
  tlx_message message;
  tlx_findings_start(findings, judging->policy);
  ltlx_read_message(L, index, &message, findings);
  tlx_validate(&message, judging->now_s, findings);
  return findings->n_refused == 0;
}

static void copy_fields(lua_State *L, int from, int to) {
  lua_pushnil(L);
  while (lua_next(L, from)) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

/* `extra` and the message's own fields, side by side. [-1, +1] */
static void merge_extra(lua_State *L, int message) {
  int extra = lua_gettop(L);
  lua_newtable(L);
  copy_fields(L, message, extra + 1);
  lua_pushliteral(L, "extra");
  lua_pushnil(L);
  lua_rawset(L, extra + 1);
  copy_fields(L, extra, extra + 1);
  lua_remove(L, extra);
}

static void push_body(lua_State *L, int index) {
  lua_pushliteral(L, "extra");
  lua_rawget(L, index);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    ltlx_json_encode(L, index);
  } else {
    merge_extra(L, index);
    ltlx_json_encode(L, -1);
    lua_remove(L, -2);
  }
  ltlx_json_order(L);
}

bool ltlx_push_checked_body(lua_State *L, int index, const ltlx_judging *judging) {
  tlx_findings findings;
  index = ltlx_absindex(L, index);
  if (!ltlx_check_message(L, index, judging, &findings)) {
    ltlx_push_refusal(L, &findings);
    return false;
  }
  push_body(L, index);
  ltlx_push_warnings(L, &findings);
  return true;
}

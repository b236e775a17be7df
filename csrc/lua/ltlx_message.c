#include <string.h>

#include "ltlx.h"
#include "tlx_validate.h"

static void read_value(lua_State *L, int index, tlx_value *value) {
  switch (lua_type(L, index)) {
    case LUA_TSTRING:
      value->type = TLX_TYPE_STRING;
      value->str.p = lua_tolstring(L, index, &value->str.n);
      return;
    case LUA_TBOOLEAN:
      value->type = TLX_TYPE_BOOLEAN;
      break;
    case LUA_TTABLE:
      value->type = TLX_TYPE_LIST;
      break;
    default:
      value->type = TLX_TYPE_OTHER;
  }
  ltlx_describe(L, index, value->given, sizeof value->given);
}

/* A table with n entries is a plain sequence when the keys 1 to n are there. */
static void read_list(lua_State *L, int table, tlx_list *list) {
  lua_pushnil(L);
  while (lua_next(L, table)) {
    list->n++;
    lua_pop(L, 1);
  }
  list->is_sequence = true;
  for (size_t i = 0; i < list->n && list->is_sequence; i++) {
    lua_rawgeti(L, table, (int)i + 1);
    list->is_sequence = !lua_isnil(L, -1);
    if (i < TLX_MAX_MEDIA && list->is_sequence) read_value(L, -1, &list->items[i]);
    lua_pop(L, 1);
  }
}

static void add_stranger(tlx_message *message, tlx_str name) {
  if (message->n_strangers < TLX_MAX_STRANGERS) message->strangers[message->n_strangers] = name;
  message->n_strangers++;
}

/* The key is at -2 and a string, the value on top. */
static void read_field(lua_State *L, tlx_message *message, tlx_violations *violations) {
  tlx_str name;
  name.p = lua_tolstring(L, -2, &name.n);
  tlx_field field = tlx_field_named(name);
  if (field < TLX_N_FIELDS) {
    read_value(L, -1, &message->fields[field]);
    bool is_media = field == TLX_FIELD_media_urls && lua_istable(L, -1);
    if (is_media) read_list(L, lua_gettop(L), &message->media_urls);
  } else if (tlx_str_eq(name, TLX_STR("extra"))) {
    ltlx_check_extra(L, lua_gettop(L), violations);
  } else {
    add_stranger(message, name);
  }
}

void ltlx_read_message(lua_State *L, int index, tlx_message *message, tlx_violations *violations) {
  index = ltlx_absindex(L, index);
  memset(message, 0, sizeof *message);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      read_field(L, message, violations);
    } else {
      char key[40];
      ltlx_describe(L, -2, key, sizeof key);
      tlx_violations_add(violations, "10015", "", "a message's keys are field names, got %s", key);
    }
    lua_pop(L, 1);
  }
}

bool ltlx_check_message(lua_State *L, int index, double now_s, tlx_violations *violations) {
  tlx_message message;
  violations->n = 0;
  ltlx_read_message(L, index, &message, violations);
  tlx_validate(&message, now_s, violations);
  return violations->n == 0;
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

bool ltlx_push_checked_body(lua_State *L, int index, double now_s) {
  tlx_violations violations;
  index = ltlx_absindex(L, index);
  if (!ltlx_check_message(L, index, now_s, &violations)) {
    ltlx_push_violations(L, &violations);
    return false;
  }
  push_body(L, index);
  return true;
}

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ltlx.h"
#include "tlx_utf8.h"

#define MAX_DEPTH 16
/* Tables that share tables are written out once for each way to them: 16 levels may have 2^16. */
#define MAX_VALUES 10000

typedef struct walk {
  lua_State *L;
  tlx_findings *findings;
  tlx_pointer pointer; /* of the entry of `extra` that is being walked */
  int depth;
  unsigned n_values; /* of all of `extra`, and as often as each will be written */
} walk;

static void check_value(walk *w, int index);

static void complain(walk *w, const char *detail) {
  tlx_findings_add(w->findings, TLX_RULE_extra, w->pointer.text, "'extra' cannot be sent: %s",
                   detail);
}

/* lua-cjson writes 14 digits; a number that needs more would arrive as another. */
static bool survives_encoding(double value) {
  char digits[40];
  if (!isfinite(value)) return false;
  snprintf(digits, sizeof digits, "%.14g", value);
  return strtod(digits, NULL) == value;
}

static void check_string(walk *w, int index) {
  tlx_str s;
  s.p = lua_tolstring(w->L, index, &s.n);
  if (tlx_utf8_valid_prefix(s) < s.n) complain(w, "it holds a string that is not UTF-8");
}

static bool is_position(lua_State *L, int index, size_t n) {
  if (lua_type(L, index) != LUA_TNUMBER) return false;
  double key = (double)lua_tonumber(L, index);
  return key >= 1 && key <= (double)n && key == floor(key);
}

/* n  The length of a list; 0 for an object. */
static void check_key(walk *w, int index, size_t n) {
  bool is_list = n > 0;
  if (is_list && !is_position(w->L, index, n)) {
    complain(w, "a table is either a list without holes or an object, not both");
  } else if (!is_list && lua_type(w->L, index) != LUA_TSTRING) {
    complain(w, "an object's keys are strings, and a list has no holes");
  } else if (!is_list) {
    check_string(w, index);
  }
}

static void check_table(walk *w, int table) {
  lua_State *L = w->L;
  luaL_checkstack(L, 6, "'extra' nests too deeply");
  if (w->depth >= MAX_DEPTH) {
    complain(w, "it nests deeper than 16 tables, or holds itself");
    return;
  }
  w->depth++;
  size_t n = ltlx_rawlen(L, table), n_found = 0, n_before = w->findings->n;
  lua_pushnil(L);
  while (w->findings->n == n_before && lua_next(L, table)) {
    check_key(w, -2, n);
    check_value(w, lua_gettop(L));
    lua_pop(L, 1);
    n_found++;
  }
  if (w->findings->n > n_before)
    lua_settop(L, table);
  else if (n > 0 && n != n_found)
    complain(w, "a list has no holes");
  w->depth--;
}

/* False, and a complaint, when there are more than are sent. */
static bool count_value(walk *w) {
  if (++w->n_values <= MAX_VALUES) return true;
  tlx_findings_add(w->findings, TLX_RULE_extra, "/extra",
                   "'extra' cannot be sent: it holds more than 10000 values, those of a table "
                   "counted each time it is met");
  return false;
}

static void check_value(walk *w, int index) {
  lua_State *L = w->L;
  if (!count_value(w)) return;
  switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
      return;
    case LUA_TSTRING:
      check_string(w, index);
      return;
    case LUA_TNUMBER:
      if (!survives_encoding((double)lua_tonumber(L, index))) {
        complain(w, "a number must be finite and have at most 14 digits; send it as a string");
      }
      return;
    case LUA_TTABLE:
      check_table(w, index);
      return;
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(L, index) == NULL) return; /* JSON null */
      break;
    default:
      break;
  }
  char words[40], detail[80];
  ltlx_describe(L, index, words, sizeof words);
  snprintf(detail, sizeof detail, "it holds %s", words);
  complain(w, detail);
}

/* The key is at -2, the value on top. */
static void check_entry(walk *w) {
  lua_State *L = w->L;
  tlx_findings *findings = w->findings;
  tlx_str name;
  if (lua_type(L, -2) != LUA_TSTRING) {
    tlx_findings_add(findings, TLX_RULE_extra, "/extra", "'extra' must have field names for keys");
    return;
  }
  name.p = lua_tolstring(L, -2, &name.n);
  w->pointer = tlx_pointer_to("/extra", name);
  check_string(w, -2);
  if (tlx_field_named(name) < TLX_N_FIELDS) {
    tlx_findings_add(findings, TLX_RULE_extra, w->pointer.text,
                     "%s is a field of the message itself: give it outside 'extra'",
                     tlx_quote(name).text);
    return;
  }
  check_value(w, lua_gettop(L));
}

void ltlx_check_extra(lua_State *L, int index, tlx_findings *findings) {
  if (!lua_istable(L, index)) {
    char given[40];
    ltlx_describe(L, index, given, sizeof given);
    tlx_findings_add(findings, TLX_RULE_extra, "/extra",
                     "'extra' must be a table of fields newer than this library, got %s", given);
    return;
  }
  walk w = { .L = L, .findings = findings };
  int top = lua_gettop(L);
  lua_pushnil(L);
  while (w.n_values <= MAX_VALUES && lua_next(L, index)) {
    check_entry(&w);
    lua_pop(L, 1);
  }
  lua_settop(L, top);
}

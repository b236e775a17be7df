#include <stdlib.h>
#include <string.h>

#include "ltlx.h"

/*
 * A table has no order, so lua-cjson writes the members of an object otherwise in every run. What
 * it wrote is read once more here and put in order: what is a list, and what cannot be written, is
 * thus its judgement alone. Its text is well-formed, has no space between tokens, and escapes every
 * quote within a string.
 */

/* A text that is no longer takes no memory of Lua's. */
#define SHORT_BYTES 512
#define LEAST_MEMBER_BYTES 5 /* "":0, */
#define MOST_INSERTED 8
/* With more of them, an integer is written with an exponent. */
#define MOST_PLAIN_DIGITS 14
/* That takes four bytes and a point more, at most. */
#define ROOM_FOR(n) ((n) + (n) / 2)

typedef struct member {
  int rank;
  tlx_str name; /* as written, without its quotes */
  tlx_str value;
} member;

typedef struct ordering {
  char *out;      /* where the next byte goes */
  member *unused; /* of the room for the members of all objects */
  bool is_inside; /* the outermost object */
} ordering;

/* ---- reading ---- */

static bool is_escaped(const char *quote) {
  const char *p = quote;
  while (p[-1] == '\\') p--;
  return (quote - p) % 2 != 0;
}

/* `p` is at the first quote. */
static const char *past_string(const char *p, const char *end) {
  do p = memchr(p + 1, '"', (size_t)(end - p - 1));
  while (p && is_escaped(p));
  return p ? p + 1 : end;
}

/* `end` is where the object or list ends that holds it. */
static const char *past_value(const char *p, const char *end) {
  int depth = 0;
  if (*p == '"') return past_string(p, end);
  while (p < end && (depth > 0 || *p != ',')) {
    if (*p == '{' || *p == '[') depth++;
    if (*p == '}' || *p == ']') depth--;
    p = *p == '"' ? past_string(p, end) : p + 1;
  }
  return p;
}

static size_t count_members(tlx_str text) {
  const char *p = text.p, *end = text.p + text.n;
  size_t n = 0;
  while (p < end) {
    if (*p == ':') n++;
    p = *p == '"' ? past_string(p, end) : p + 1;
  }
  return n;
}

/* ---- comparing ---- */

/* A byte of a string, and `*p` moves past what stands for it. Of \u there are only controls. */
static unsigned char next_byte(const char **p) {
  static const char LETTERS[] = "bfnrt", MEANT[] = "\b\f\n\r\t";
  const char *at = *p;
  *p = at + 1;
  if (*at != '\\') return (unsigned char)*at;
  *p = at + 2;
  const char *letter = memchr(LETTERS, at[1], sizeof LETTERS - 1);
  if (letter) return (unsigned char)MEANT[letter - LETTERS];
  if (at[1] != 'u') return (unsigned char)at[1];
  *p = at + 6;
  return (unsigned char)strtoul((const char[]){ at[4], at[5], '\0' }, NULL, 16);
}

static int compare_names(tlx_str a, tlx_str b) {
  const char *p = a.p, *q = b.p;
  while (p < a.p + a.n && q < b.p + b.n) {
    int difference = next_byte(&p) - next_byte(&q);
    if (difference != 0) return difference;
  }
  return (p < a.p + a.n) - (q < b.p + b.n);
}

static int compare_members(const void *left, const void *right) {
  const member *a = left, *b = right;
  return a->rank != b->rank ? a->rank - b->rank : compare_names(a->name, b->name);
}

/* To call qsort costs as much as a dozen comparisons. */
static void sort(member *members, size_t n) {
  if (n > MOST_INSERTED) {
    qsort(members, n, sizeof *members, compare_members);
    return;
  }
  for (size_t i = 1; i < n; i++) {
    member moved = members[i];
    size_t place = i;
    for (; place > 0 && compare_members(&members[place - 1], &moved) > 0; place--)
      members[place] = members[place - 1];
    members[place] = moved;
  }
}

/* ---- writing ---- */

static void put_value(ordering *o, tlx_str value);

static void put_byte(ordering *o, char byte) {
  *o->out++ = byte;
}

static void put(ordering *o, const char *bytes, size_t n) {
  memcpy(o->out, bytes, n);
  o->out += n;
}

/* 100000000000000 as 1e+14: some versions of lua-cjson write so only what Lua has as a float. */
static void put_long_integer(ordering *o, const char *digits, size_t n) {
  size_t n_told = n;
  while (n_told > 1 && digits[n_told - 1] == '0') n_told--;
  put_byte(o, digits[0]);
  if (n_told > 1) put_byte(o, '.');
  put(o, digits + 1, n_told - 1);
  put(o, "e+", 2);
  put_byte(o, (char)('0' + (n - 1) / 10));
  put_byte(o, (char)('0' + (n - 1) % 10));
}

/* As lua-cjson has it, but where that depends on the kind of number, which differs among Luas. */
static void put_number(ordering *o, tlx_str number) {
  bool is_negative = *number.p == '-';
  const char *digits = number.p + is_negative;
  size_t n = number.n - is_negative;
  if (n == 1 && *digits == '0') is_negative = false;
  if (is_negative) put_byte(o, '-');
  if (n > MOST_PLAIN_DIGITS && strspn(digits, "0123456789") == n) {
    put_long_integer(o, digits, n);
  } else {
    put(o, digits, n);
  }
}

static void put_list(ordering *o, tlx_str list) {
  const char *p = list.p, *end = list.p + list.n - 1;
  do {
    put_byte(o, *p++);
    tlx_str item = { p, (size_t)(past_value(p, end) - p) };
    if (item.n > 0) put_value(o, item);
    p += item.n;
  } while (p < end);
  put_byte(o, ']');
}

/* A table without entries may be either; of media there is a list. */
static void mend_field(member *field) {
  if (field->rank == TLX_FIELD_media_urls && tlx_str_eq(field->value, TLX_STR("{}"))) {
    field->value = TLX_STR("[]");
  }
}

/* What says that there is no webhook is not said: the service shows "" where there is none. */
static bool is_left_out(const member *field) {
  bool is_webhook =
      field->rank == TLX_FIELD_webhook_url || field->rank == TLX_FIELD_webhook_failover_url;
  return is_webhook &&
         (tlx_str_eq(field->value, TLX_STR("\"\"")) || tlx_str_eq(field->value, TLX_STR("null")));
}

static void read_members(ordering *o, tlx_str object) {
  const char *p = object.p + 1, *end = object.p + object.n - 1;
  bool are_fields = !o->is_inside;
  for (; p < end; p++) {
    member *next = o->unused;
    const char *colon = past_string(p, end);
    next->name = (tlx_str){ p + 1, (size_t)(colon - p) - 2 };
    next->rank = are_fields ? (int)tlx_field_named(next->name) : 0;
    p = past_value(colon + 1, end);
    next->value = (tlx_str){ colon + 1, (size_t)(p - colon) - 1 };
    mend_field(next);
    if (!is_left_out(next)) o->unused++;
  }
}

static void put_object(ordering *o, tlx_str object) {
  member *first = o->unused;
  read_members(o, object);
  const member *end = o->unused;
  o->is_inside = true;
  sort(first, (size_t)(end - first));
  put_byte(o, '{');
  for (const member *m = first; m < end; m++) {
    if (m > first) put_byte(o, ',');
    put(o, m->name.p - 1, m->name.n + 3);
    put_value(o, m->value);
  }
  put_byte(o, '}');
}

static void put_value(ordering *o, tlx_str value) {
  if (*value.p == '{') {
    put_object(o, value);
  } else if (*value.p == '[') {
    put_list(o, value);
  } else if (*value.p == '-' || (*value.p >= '0' && *value.p <= '9')) {
    put_number(o, value);
  } else {
    put(o, value.p, value.n);
  }
}

static void push_ordered(lua_State *L, tlx_str text, member *members, char *out) {
  ordering o = { out, members, false };
  put_value(&o, text);
  lua_pushlstring(L, out, (size_t)(o.out - out));
}

static void push_short(lua_State *L, tlx_str text) {
  member members[SHORT_BYTES / LEAST_MEMBER_BYTES];
  char out[ROOM_FOR(SHORT_BYTES)];
  push_ordered(L, text, members, out);
}

static void push_long(lua_State *L, tlx_str text) {
  member *members = lua_newuserdata(L, (count_members(text) + 1) * sizeof *members);
  char *out = lua_newuserdata(L, ROOM_FOR(text.n));
  push_ordered(L, text, members, out);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

void ltlx_json_order(lua_State *L) {
  tlx_str text;
  text.p = lua_tolstring(L, -1, &text.n);
  (text.n <= SHORT_BYTES ? push_short : push_long)(L, text);
  lua_replace(L, -2);
}

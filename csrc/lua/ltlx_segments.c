#include <stdio.h>

#include "ltlx.h"
#include "tlx_outsiders.h"
#include "tlx_savings.h"
#include "tlx_segments.h"
#include "tlx_sender.h"
#include "tlx_smart.h"
#include "tlx_utf8.h"

static tlx_str character_at(tlx_str text, size_t byte) {
  uint32_t codepoint = 0;
  const char *p = text.p + byte;
  return (tlx_str){ p, tlx_utf8_read(p, text.p + text.n, &codepoint) };
}

/* Upvalues of l_segments: the keys and words of every analysis, so that none is hashed again. */
static const char *const WORDS[] = { "encoding",  "parts",     "units",         "characters",
                                     "limit",     "remaining", "formula_parts", "replaced",
                                     "forced_by", "character", "codepoint",     "byte",
                                     "index",     "GSM-7",     "UCS-2",         "ASCII" };

typedef enum word {
  ENCODING = 1,
  PARTS,
  UNITS,
  CHARACTERS,
  LIMIT,
  REMAINING,
  FORMULA_PARTS,
  REPLACED,
  FORCED_BY,
  CHARACTER,
  CODEPOINT,
  BYTE,
  INDEX,
  GSM7,
  UCS2,
  ASCII
} word;

enum { N_WORDS = sizeof WORDS / sizeof *WORDS };

/* t[key] = count for the table on top. [-0, +0] */
static void set_count(lua_State *L, word key, size_t count) {
  lua_pushvalue(L, lua_upvalueindex(key));
  lua_pushinteger(L, (lua_Integer)count);
  lua_rawset(L, -3);
}

static void set_culprit(lua_State *L, tlx_str text, const tlx_culprit *culprit) {
  tlx_str character = character_at(text, culprit->byte);
  lua_pushvalue(L, lua_upvalueindex(FORCED_BY));
  lua_createtable(L, 0, 4);
  lua_pushvalue(L, lua_upvalueindex(CHARACTER));
  lua_pushlstring(L, character.p, character.n);
  lua_rawset(L, -3);
  set_count(L, CODEPOINT, culprit->codepoint);
  set_count(L, BYTE, culprit->byte + 1);
  set_count(L, INDEX, culprit->index + 1);
  lua_rawset(L, -3);
}

static word encoding_word(tlx_encoding encoding, tlx_charset charset) {
  if (encoding == TLX_ENCODING_UCS2) return UCS2;
  return charset == TLX_CHARSET_ASCII ? ASCII : GSM7;
}

static void push_analysis(lua_State *L, tlx_str text, const tlx_segments *s,
                          const tlx_segments_options *options) {
  bool is_smart = options->smart || options->encoding == TLX_ENCODING_GSM7;
  lua_createtable(L, 0, 7 + is_smart + s->is_forced);
  lua_pushvalue(L, lua_upvalueindex(ENCODING));
  lua_pushvalue(L, lua_upvalueindex(encoding_word(s->encoding, options->charset)));
  lua_rawset(L, -3);
  set_count(L, PARTS, s->parts);
  set_count(L, UNITS, s->units);
  set_count(L, CHARACTERS, s->characters);
  set_count(L, LIMIT, s->limit);
  set_count(L, REMAINING, s->remaining);
  set_count(L, FORMULA_PARTS, s->formula_parts);
  if (is_smart) set_count(L, REPLACED, s->replaced);
  if (s->is_forced) set_culprit(L, text, &s->forced_by);
}

/* nil, err for a text that cannot be encoded. */
static int push_fault(lua_State *L, tlx_str text, tlx_segments_status status,
                      const tlx_culprit *culprit) {
  tlx_findings findings;
  tlx_findings_start(&findings, (tlx_policy){ 0, false });
  if (status == TLX_SEGMENTS_NOT_UTF8) {
    tlx_findings_add(
        &findings, TLX_RULE_not_utf8, "/text", "the text is not valid UTF-8: byte %lu is 0x%02X",
        (unsigned long)culprit->byte + 1, (unsigned)(unsigned char)text.p[culprit->byte]);
  } else {
    tlx_findings_add(&findings, TLX_RULE_gsm7_impossible, "/text",
                     "the text cannot be GSM-7: %s (U+%04lX) at byte %lu has no GSM-7 form",
                     tlx_quote(character_at(text, culprit->byte)).text,
                     (unsigned long)culprit->codepoint, (unsigned long)culprit->byte + 1);
  }
  ltlx_push_refusal(L, &findings);
  ltlx_set_count(L, "byte", culprit->byte + 1);
  return 2;
}

static tlx_str check_text(lua_State *L) {
  tlx_str text;
  luaL_checktype(L, 1, LUA_TSTRING);
  text.p = lua_tolstring(L, 1, &text.n);
  return text;
}

/* Pushes the text as it would be sent with substitutions. [-0, +1] */
static tlx_str push_smart(lua_State *L, tlx_str text, size_t *n_replaced) {
  tlx_str smart = { NULL, tlx_smart_encode(text, NULL, n_replaced) };
  char *room = lua_newuserdata(L, smart.n + 1);
  tlx_smart_encode(text, room, n_replaced);
  lua_pushlstring(L, room, smart.n);
  lua_remove(L, -2);
  smart.p = lua_tolstring(L, -1, &smart.n);
  return smart;
}

/* The text of each part, for the analysis on top. [-0, +0] */
static void set_split(lua_State *L, tlx_str text, const tlx_segments *s, tlx_charset charset) {
  lua_createtable(L, (int)s->parts, 0);
  for (int i = 1; text.n > 0; i++) {
    tlx_str part = tlx_segments_cut(&text, s, charset);
    lua_pushlstring(L, part.p, part.n);
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -2, "split");
}

typedef struct outsider {
  tlx_culprit at;
  tlx_str character;
} outsider;

static void push_outsider(lua_State *L, const outsider *o) {
  lua_createtable(L, 0, 5);
  ltlx_set_string(L, "character", o->character);
  ltlx_set_count(L, "codepoint", o->at.codepoint);
  ltlx_set_count(L, "byte", o->at.byte + 1);
  ltlx_set_count(L, "count", 0);
  const char *replacement = tlx_smart_replacement(o->at.codepoint);
  const char *letter = tlx_bare_letter(o->at.codepoint);
  if (replacement) ltlx_set_words(L, "replacement", replacement);
  if (letter) ltlx_set_words(L, "letter", letter);
}

/* seen[codepoint] and the list share a row for each distinct character; counts it once more. */
static void count_outsider(lua_State *L, int list, int seen, const outsider *o) {
  lua_rawgeti(L, seen, (int)o->at.codepoint);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    push_outsider(L, o);
    lua_pushvalue(L, -1);
    lua_rawseti(L, seen, (int)o->at.codepoint);
    lua_pushvalue(L, -1);
    lua_rawseti(L, list, (int)ltlx_rawlen(L, list) + 1);
  }
  lua_getfield(L, -1, "count");
  size_t count = (size_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  ltlx_set_count(L, "count", count + 1);
  lua_pop(L, 1);
}

/* Every distinct character outside the charset, in order of appearance. [-0, +0] */
static void set_unencodable(lua_State *L, tlx_str text, tlx_charset charset) {
  lua_newtable(L);
  lua_newtable(L);
  int seen = lua_gettop(L), list = seen - 1;
  const char *end = text.p + text.n;
  for (const char *p = text.p; p < end;) {
    outsider o = { { 0, 0, 0 }, { NULL, 0 } };
    size_t n = tlx_utf8_read(p, end, &o.at.codepoint);
    o.at.byte = (size_t)(p - text.p);
    o.character = (tlx_str){ p, n };
    if (!tlx_gsm7_septets(o.at.codepoint, charset)) count_outsider(L, list, seen, &o);
    p += n;
  }
  lua_pop(L, 1);
  lua_setfield(L, -2, "unencodable");
}

static const char *const CHANGES[] = { "replace", "smart", "remove", "plain" };

/* What the change is to, for the saving on top. [-0, +0] */
static void set_change(lua_State *L, const tlx_saving *saving) {
  ltlx_set_words(L, "change", CHANGES[saving->change]);
  ltlx_set_count(L, "count", saving->n_replaced + saving->n_removed);
  if (saving->change == TLX_CHANGE_PLAIN) {
    ltlx_set_count(L, "replaced", saving->n_replaced);
    ltlx_set_count(L, "removed", saving->n_removed);
  }
  if (!saving->character.p) return;
  ltlx_set_string(L, "character", saving->character);
  ltlx_set_count(L, "codepoint", saving->codepoint);
  if (*saving->replacement) ltlx_set_words(L, "replacement", saving->replacement);
}

/* What would make fewer parts, for the analysis on top. [-0, +0] */
static void set_advice(lua_State *L, tlx_str text, const tlx_segments *s,
                       const tlx_segments_options *options) {
  tlx_savings savings;
  tlx_savings_find(text, options, s, &savings);
  lua_createtable(L, (int)savings.n, 0);
  for (size_t i = 0; i < savings.n; i++) {
    const tlx_saving *saving = &savings.list[i];
    char words[TLX_MAX_SAVING_TEXT];
    tlx_saving_text(saving, s->parts, options->charset, words);
    lua_createtable(L, 0, 8);
    set_change(L, saving);
    ltlx_set_words(L, "encoding", WORDS[encoding_word(saving->encoding, options->charset) - 1]);
    ltlx_set_count(L, "parts", saving->parts);
    ltlx_set_count(L, "saves", s->parts - saving->parts);
    ltlx_set_words(L, "text", words);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "advice");
}

static void set_detail(lua_State *L, tlx_str text, const tlx_segments *s,
                       const tlx_segments_options *options) {
  int analysis = lua_gettop(L);
  tlx_str sent = text;
  size_t n_replaced;
  if (s->replaced > 0) {
    sent = push_smart(L, text, &n_replaced);
    lua_pushvalue(L, analysis);
  }
  set_split(L, sent, s, options->charset);
  lua_settop(L, analysis);
  set_unencodable(L, text, options->charset);
  set_advice(L, text, s, options);
}

static bool has_field(lua_State *L, int table, const char *key) {
  lua_pushstring(L, key);
  lua_rawget(L, table);
  bool is_there = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return is_there;
}

/* Short codes send ASCII of 7 bits unless another encoding is asked for. */
static tlx_charset read_charset(lua_State *L, tlx_encoding encoding) {
  static const char *const CHARSETS[] = { "telnyx", "3gpp", "ascii", NULL };
  int named = ltlx_field_choice(L, 2, "charset", CHARSETS, "\"telnyx\", \"3gpp\" or \"ascii\"");
  tlx_str from = ltlx_field_string(L, 2, "from");
  bool is_by_sender = from.p && encoding == TLX_ENCODING_AUTO && !has_field(L, 2, "charset");
  if (is_by_sender && tlx_sender_kind_of(from) == TLX_SENDER_SHORT_CODE) return TLX_CHARSET_ASCII;
  return (tlx_charset)named;
}

static tlx_segments_options read_options(lua_State *L, bool *wants_detail) {
  static const char *const NAMES[] = { "charset", "encoding", "smart", "detail", "from", NULL };
  static const char *const ENCODINGS[] = { "auto", "gsm7", "ucs2", NULL };
  tlx_segments_options options = { TLX_CHARSET_TELNYX, TLX_ENCODING_AUTO, false };
  *wants_detail = false;
  if (lua_isnoneornil(L, 2)) return options;
  luaL_checktype(L, 2, LUA_TTABLE);
  ltlx_check_names(L, 2, "options of segments", NAMES);
  options.encoding = (tlx_encoding)ltlx_field_choice(L, 2, "encoding", ENCODINGS,
                                                     "\"auto\", \"gsm7\" or \"ucs2\"");
  options.charset = read_charset(L, options.encoding);
  if (options.charset == TLX_CHARSET_ASCII && options.encoding == TLX_ENCODING_GSM7) {
    luaL_error(L, "charset \"ascii\" and encoding \"gsm7\" exclude each other");
  }
  options.smart = ltlx_field_boolean(L, 2, "smart");
  *wants_detail = ltlx_field_boolean(L, 2, "detail");
  return options;
}

/* core.segments(text [, options]) -> analysis | nil, err
 *
 * With `detail`, the analysis also has
 *   split        the text of each part, as it would be sent
 *   unencodable  { character, codepoint, byte, count, replacement, letter } of each distinct
 *                character outside the charset; the service's substitution, and the Latin letter
 *                without its accent, where there is one
 *   advice       what would make fewer parts, best first, at most four: { change, count, parts,
 *                saves, encoding, text } and, by change,
 *                  "replace"  character, codepoint, replacement
 *                  "smart"    what `smart` would do
 *                  "remove"   character, codepoint; an emoji of several code points is one
 *                  "plain"    replaced, removed: every character outside is replaced where it has
 *                             a replacement or a letter, and removed where it has none
 */
static int l_segments(lua_State *L) {
  tlx_str text = check_text(L);
  bool wants_detail;
  tlx_segments_options options = read_options(L, &wants_detail);
  tlx_segments segments;
  tlx_segments_status status = tlx_segments_count(text, &options, &segments);
  if (status != TLX_SEGMENTS_OK) return push_fault(L, text, status, &segments.forced_by);
  push_analysis(L, text, &segments, &options);
  if (wants_detail) set_detail(L, text, &segments, &options);
  return 1;
}

/* core.smart_encode(text) -> text, number of characters replaced | nil, err */
static int l_smart_encode(lua_State *L) {
  tlx_str text = check_text(L);
  tlx_culprit culprit = { 0, tlx_utf8_valid_prefix(text), 0 };
  if (culprit.byte < text.n) return push_fault(L, text, TLX_SEGMENTS_NOT_UTF8, &culprit);
  size_t n_replaced;
  push_smart(L, text, &n_replaced);
  lua_pushinteger(L, (lua_Integer)n_replaced);
  return 2;
}

void ltlx_open_segments(lua_State *L) {
  static const luaL_Reg functions[] = {
    { "smart_encode", l_smart_encode },
    { NULL, NULL },
  };
  lua_pushvalue(L, -2);
  ltlx_set_functions(L, functions, 0);
  luaL_checkstack(L, N_WORDS + 1, "too many words");
  for (int i = 0; i < N_WORDS; i++) lua_pushstring(L, WORDS[i]);
  lua_pushcclosure(L, l_segments, N_WORDS);
  lua_setfield(L, -2, "segments");
  lua_pop(L, 1);
}

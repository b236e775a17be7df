/*
 * A libFuzzer target: any text under any options, counted by the fast way and by slow obvious ones.
 *
 *   make fuzz FUZZ_SECONDS=60
 *
 * The first byte of an input picks the options, the rest is the text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "tlx_outsiders.h"
#include "tlx_plain_run.h"
#include "tlx_savings.h"
#include "tlx_segments.h"
#include "tlx_smart.h"
#include "tlx_utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A part of several holds this much; it is also where the price page's sum rounds up. */
static size_t capacity_of(const tlx_segments *s) {
  return s->encoding == TLX_ENCODING_UCS2 ? 67 : 153;
}

/* Well-formed byte sequences by the ranges of their bytes: The Unicode Standard, table 3-7. */
static size_t slow_length(const unsigned char *s, size_t n) {
  static const unsigned char ROWS[9][9] = {
    { 1, 0x00, 0x7F },
    { 2, 0xC2, 0xDF, 0x80, 0xBF },
    { 3, 0xE0, 0xE0, 0xA0, 0xBF, 0x80, 0xBF },
    { 3, 0xE1, 0xEC, 0x80, 0xBF, 0x80, 0xBF },
    { 3, 0xED, 0xED, 0x80, 0x9F, 0x80, 0xBF },
    { 3, 0xEE, 0xEF, 0x80, 0xBF, 0x80, 0xBF },
    { 4, 0xF0, 0xF0, 0x90, 0xBF, 0x80, 0xBF, 0x80, 0xBF },
    { 4, 0xF1, 0xF3, 0x80, 0xBF, 0x80, 0xBF, 0x80, 0xBF },
    { 4, 0xF4, 0xF4, 0x80, 0x8F, 0x80, 0xBF, 0x80, 0xBF },
  };
  for (size_t row = 0; row < 9; row++) {
    size_t length = ROWS[row][0], i = 0;
    if (length > n) continue;
    while (i < length && s[i] >= ROWS[row][1 + 2 * i] && s[i] <= ROWS[row][2 + 2 * i]) i++;
    if (i == length) return length;
  }
  return 0;
}

static size_t slow_valid_prefix(tlx_str text) {
  const unsigned char *s = (const unsigned char *)text.p;
  size_t at = 0, n;
  while (at < text.n && (n = slow_length(s + at, text.n - at)) > 0) at += n;
  return at;
}

static size_t characters_in(tlx_str text) {
  size_t n = 0;
  for (size_t i = 0; i < text.n; i++) n += ((unsigned char)text.p[i] & 0xC0) != 0x80;
  return n;
}

static size_t units_in(tlx_str text, tlx_encoding encoding, tlx_charset charset) {
  size_t n_units = 0;
  for (const char *p = text.p, *end = p + text.n; p < end;) {
    uint32_t codepoint = 0;
    p += tlx_utf8_read(p, end, &codepoint);
    size_t septets = tlx_gsm7_septets(codepoint, charset);
    n_units += encoding == TLX_ENCODING_UCS2 ? (codepoint > 0xFFFF ? 2 : 1) : septets;
  }
  return n_units;
}

/* The runs ----------------------------------------------------------------------------------- */

static void check_runs_from(const char *p, const char *end) {
  size_t n_characters = 0;
  EXPECT(tlx_plain_run(p, end) == tlx_plain_run_portable(p, end));
  const char *stop = tlx_unit_run(p, end, &n_characters);
  tlx_str passed = { p, (size_t)(stop - p) };
  EXPECT(stop <= end);
  EXPECT(slow_valid_prefix(passed) == passed.n);
  EXPECT(characters_in(passed) == n_characters);
  EXPECT(units_in(passed, TLX_ENCODING_UCS2, TLX_CHARSET_3GPP) == n_characters);
}

static void check_runs(tlx_str text) {
  for (size_t i = 0; i <= text.n && i < 40; i++) check_runs_from(text.p + i, text.p + text.n);
}

/* The parts ------------------------------------------------------------------------------------ */

static void check_counts(const tlx_segments *s) {
  EXPECT(s->parts >= s->formula_parts);
  EXPECT(s->formula_parts > TLX_MAX_PARTS || s->parts <= s->formula_parts + 1);
  EXPECT(s->remaining <= s->limit);
  EXPECT((s->parts <= 1) == (s->limit != capacity_of(s)));
  EXPECT((s->units == 0) == (s->parts == 0));
}

/* For a text counted without substitution. */
static void check_split(tlx_str text, const tlx_segments *s, tlx_charset charset) {
  tlx_str rest = text;
  size_t n_parts = 0, n_units = 0, last = 0;
  while (rest.n > 0) {
    const char *start = rest.p;
    tlx_str part = tlx_segments_cut(&rest, s, charset);
    EXPECT(part.p == start && part.n > 0 && rest.p == start + part.n);
    last = units_in(part, s->encoding, charset);
    EXPECT(last <= s->limit);
    n_units += last;
    n_parts++;
  }
  EXPECT(n_parts == s->parts && n_units == s->units);
  EXPECT(s->remaining == s->limit - last);
  EXPECT(s->characters == characters_in(text));
}

static bool is_same(const tlx_segments *a, const tlx_segments *b) {
  return a->encoding == b->encoding && a->parts == b->parts && a->units == b->units &&
         a->characters == b->characters && a->limit == b->limit && a->remaining == b->remaining &&
         a->formula_parts == b->formula_parts;
}

/* Counting with substitutions, and counting the text that they make. */
static void check_smart(tlx_str text, const tlx_segments_options *options, const tlx_segments *s) {
  size_t n_replaced;
  size_t n = tlx_smart_encode(text, NULL, &n_replaced);
  char *room = malloc(n + 1);
  if (!room) abort();
  EXPECT(tlx_smart_encode(text, room, &n_replaced) == n);
  tlx_str sent = { room, n };
  tlx_segments_options plain = { options->charset, TLX_ENCODING_AUTO, false };
  tlx_segments again;
  EXPECT(tlx_segments_count(sent, &plain, &again) == TLX_SEGMENTS_OK);
  EXPECT(is_same(s, &again) && s->replaced == n_replaced);
  check_split(sent, &again, options->charset);
  free(room);
}

/* In two pieces, cut at the character nearest to the middle. */
static void check_pieces(tlx_str text, const tlx_segments_options *options, const tlx_segments *s) {
  size_t cut = text.n / 2;
  while (cut > 0 && ((unsigned char)text.p[cut] & 0xC0) == 0x80) cut--;
  tlx_segments pieces;
  tlx_counter counter;
  tlx_counter_start(&counter, options, &pieces);
  EXPECT(tlx_counter_feed(&counter, (tlx_str){ text.p, cut }) == TLX_SEGMENTS_OK);
  EXPECT(tlx_counter_feed(&counter, (tlx_str){ text.p + cut, text.n - cut }) == TLX_SEGMENTS_OK);
  tlx_counter_finish(&counter);
  EXPECT(is_same(s, &pieces) && s->is_forced == pieces.is_forced);
  EXPECT(s->forced_by.byte == pieces.forced_by.byte &&
         s->forced_by.index == pieces.forced_by.index);
}

/* The savings ------------------------------------------------------------------------------------
 */

static bool is_meant(const tlx_saving *saving, const tlx_outsider *o) {
  return saving->change == TLX_CHANGE_PLAIN || tlx_str_eq(saving->character, o->character);
}

/* The text after the change, into `out`, which has room; returns its length. */
static size_t apply(tlx_str text, const tlx_segments_options *options, const tlx_saving *saving,
                    char *out) {
  tlx_outsiders walk = { text.p, text.p + text.n, options->charset, options->smart };
  tlx_outsider o;
  const char *from = text.p;
  size_t n = 0;
  while (tlx_outsiders_next(&walk, &o)) {
    if (!is_meant(saving, &o)) continue;
    memcpy(out + n, from, (size_t)(o.character.p - from));
    n += (size_t)(o.character.p - from);
    if (o.stand_in) memcpy(out + n, o.stand_in, strlen(o.stand_in));
    if (o.stand_in) n += strlen(o.stand_in);
    from = walk.p;
  }
  memcpy(out + n, from, (size_t)(walk.end - from));
  return n + (size_t)(walk.end - from);
}

static void check_saving(tlx_str text, const tlx_segments_options *options, const tlx_segments *s,
                         const tlx_saving *saving) {
  tlx_segments_options after_options = *options;
  tlx_segments after;
  tlx_str changed = text;
  char *room = malloc(text.n * TLX_SMART_MAX_REPLACEMENT + 1);
  if (!room) abort();
  if (saving->change == TLX_CHANGE_SMART) {
    after_options.smart = true;
  } else {
    changed = (tlx_str){ room, apply(text, options, saving, room) };
  }
  EXPECT(tlx_segments_count(changed, &after_options, &after) == TLX_SEGMENTS_OK);
  EXPECT(after.parts == saving->parts && after.encoding == saving->encoding);
  EXPECT(saving->parts > 0 && saving->parts < s->parts);
  EXPECT(saving->n_replaced + saving->n_removed > 0);
  free(room);
}

static void check_savings(tlx_str text, const tlx_segments_options *options,
                          const tlx_segments *s) {
  tlx_savings found;
  tlx_savings_find(text, options, s, &found);
  EXPECT(found.n <= TLX_MAX_SAVINGS);
  EXPECT(found.n == 0 || s->is_forced);
  for (size_t i = 0; i < found.n; i++) {
    char words[TLX_MAX_SAVING_TEXT];
    check_saving(text, options, s, &found.list[i]);
    EXPECT(i == 0 || found.list[i].parts >= found.list[i - 1].parts);
    tlx_saving_text(&found.list[i], s->parts, options->charset, words);
    tlx_str sentence = { words, strlen(words) };
    EXPECT(strstr(words, " instead of ") && slow_valid_prefix(sentence) == sentence.n);
  }
}

/* ------------------------------------------------------------------------------------------------
 */

static void check_counted(tlx_str text, const tlx_segments_options *options,
                          const tlx_segments *s) {
  bool is_smart = options->encoding == TLX_ENCODING_GSM7 ||
                  (options->smart && options->encoding == TLX_ENCODING_AUTO);
  check_counts(s);
  check_pieces(text, options, s);
  check_savings(text, options, s);
  if (is_smart) {
    check_smart(text, options, s);
  } else {
    check_split(text, s, options->charset);
  }
  if (options->charset == TLX_CHARSET_ASCII) return;
  EXPECT(tlx_segments_least(text, options->encoding) <= s->parts);
}

static tlx_segments_options options_of(uint8_t byte) {
  return (tlx_segments_options){ (tlx_charset)(byte % 3), (tlx_encoding)(byte / 3 % 3),
                                 byte / 9 % 2 == 1 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const tlx_segments_options options = options_of(data[0]);
  tlx_str text = { (const char *)data + 1, size - 1 };
  tlx_segments s;
  check_runs(text);
  size_t n_good = slow_valid_prefix(text);
  tlx_segments_status status = tlx_segments_count(text, &options, &s);
  EXPECT(tlx_utf8_valid_prefix(text) == n_good);
  EXPECT((status == TLX_SEGMENTS_NOT_UTF8) == (n_good < text.n));
  if (status == TLX_SEGMENTS_NOT_UTF8) EXPECT(s.forced_by.byte == n_good);
  if (status == TLX_SEGMENTS_OK) check_counted(text, &options, &s);
  return 0;
}

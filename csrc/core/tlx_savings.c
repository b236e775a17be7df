#include "tlx_savings.h"

#include <string.h>

#include "tlx_outsiders.h"
#include "tlx_smart.h"

typedef struct kind {
  tlx_outsider of;
  size_t count;
} kind;

typedef struct survey {
  tlx_str text;
  const tlx_segments_options *options;
  const tlx_segments *analysis;
  kind kinds[TLX_MAX_SAVING_KINDS];
  size_t n_kinds;
  bool has_more;  /* kinds that were not kept */
  size_t n_smart; /* outsiders with a substitution */
  size_t n_lost;  /* outsiders that nothing stands in for */
  tlx_savings *out;
} survey;

static tlx_outsiders start_scan(const survey *s) {
  return (tlx_outsiders){ s->text.p, s->text.p + s->text.n, s->options->charset,
                          s->options->smart };
}

static void keep(survey *s, const tlx_outsider *o) {
  for (size_t i = 0; i < s->n_kinds; i++) {
    if (tlx_str_eq(s->kinds[i].of.character, o->character)) {
      s->kinds[i].count++;
      return;
    }
  }
  if (s->n_kinds == TLX_MAX_SAVING_KINDS) {
    s->has_more = true;
  } else {
    s->kinds[s->n_kinds++] = (kind){ *o, 1 };
  }
}

static void find_kinds(survey *s) {
  tlx_outsiders all = start_scan(s);
  tlx_outsider o;
  while (tlx_outsiders_next(&all, &o)) {
    s->n_smart += tlx_smart_replacement(o.codepoint) != NULL;
    s->n_lost += o.stand_in == NULL;
    keep(s, &o);
  }
}

static void feed(tlx_counter *c, const char *p, const char *end) {
  if (p < end) tlx_counter_feed(c, (tlx_str){ p, (size_t)(end - p) });
}

/* `only` is the kind to change, or NULL to change all. */
static void count_changed(const survey *s, const kind *only, tlx_saving *saving) {
  tlx_segments after;
  tlx_counter counter;
  tlx_counter_start(&counter, s->options, &after);
  tlx_outsiders all = start_scan(s);
  const char *fed = all.p;
  tlx_outsider o;
  while (tlx_outsiders_next(&all, &o)) {
    if (only && !tlx_str_eq(o.character, only->of.character)) continue;
    feed(&counter, fed, o.character.p);
    if (o.stand_in) feed(&counter, o.stand_in, o.stand_in + strlen(o.stand_in));
    saving->n_replaced += o.stand_in != NULL;
    saving->n_removed += o.stand_in == NULL;
    fed = all.p;
  }
  feed(&counter, fed, all.end);
  tlx_counter_finish(&counter);
  saving->encoding = after.encoding;
  saving->parts = after.parts;
}

/* Punctuation, arrows, dingbats, emoji: what a text can do without, unlike letters. */
static bool is_symbol(uint32_t codepoint) {
  return (codepoint >= 0x2000 && codepoint < 0x2C00) || codepoint >= 0xE0000 ||
         (codepoint >= 0x1F000 && codepoint < 0x20000);
}

/* A text reduced by much says something else. */
static bool is_too_much(const survey *s, size_t n_removed) {
  return n_removed > s->analysis->characters / 4;
}

static bool is_better(const tlx_saving *a, const tlx_saving *b) {
  if (a->parts != b->parts) return a->parts < b->parts;
  if (a->change != b->change) return a->change < b->change;
  return a->n_replaced + a->n_removed < b->n_replaced + b->n_removed;
}

static void insert(survey *s, const tlx_saving *saving) {
  tlx_savings *out = s->out;
  if (saving->parts == 0 || saving->parts >= s->analysis->parts) return;
  size_t at = out->n;
  while (at > 0 && is_better(saving, &out->list[at - 1])) at--;
  if (at == TLX_MAX_SAVINGS) return;
  if (out->n < TLX_MAX_SAVINGS) out->n++;
  memmove(&out->list[at + 1], &out->list[at], (out->n - at - 1) * sizeof *saving);
  out->list[at] = *saving;
}

/* Leads of four bytes stand for two units. */
static size_t utf16_units(tlx_str text) {
  size_t n_units = 0;
  for (size_t i = 0; i < text.n; i++) {
    unsigned char byte = (unsigned char)text.p[i];
    if (byte < 0x80 || byte >= 0xC0) n_units += byte < 0xF0 ? 1 : 2;
  }
  return n_units;
}

/* When others stay, the text stays UCS-2, and units divided by what a part holds says whether a
 * count could show fewer parts. */
static bool could_save(const survey *s, const kind *k) {
  enum { SINGLE = 70, MULTI = 67 };
  size_t n_gone = is_symbol(k->of.codepoint) ? k->count : s->n_lost;
  if (!k->of.stand_in && is_too_much(s, n_gone)) return false;
  if (s->n_kinds == 1 && !s->has_more) return true;
  size_t before = utf16_units(k->of.character);
  size_t after = k->of.stand_in ? strlen(k->of.stand_in) : 0;
  if (after >= before) return false;
  size_t n_units = s->analysis->units - k->count * (before - after);
  size_t n_fewer = s->analysis->parts - 1;
  return n_units <= (n_fewer == 1 ? SINGLE : n_fewer * MULTI);
}

static void try_kind(survey *s, const kind *k) {
  if (!could_save(s, k)) return;
  tlx_saving saving = { .character = k->of.character, .codepoint = k->of.codepoint };
  saving.replacement = k->of.stand_in ? k->of.stand_in : "";
  saving.change = *saving.replacement ? TLX_CHANGE_REPLACE : TLX_CHANGE_REMOVE;
  count_changed(s, k, &saving);
  insert(s, &saving);
}

static void try_smart(survey *s) {
  if (s->options->smart || s->n_smart == 0) return;
  tlx_segments_options options = *s->options;
  tlx_segments after;
  options.smart = true;
  tlx_segments_count(s->text, &options, &after);
  tlx_saving saving = { .change = TLX_CHANGE_SMART, .replacement = "" };
  saving.n_replaced = after.replaced;
  saving.encoding = after.encoding;
  saving.parts = after.parts;
  insert(s, &saving);
}

/* The most that can be done, so it is told only where nothing milder does as much. */
static void try_plain(survey *s) {
  if (is_too_much(s, s->n_lost)) return;
  tlx_saving saving = { .change = TLX_CHANGE_PLAIN, .replacement = "" };
  count_changed(s, NULL, &saving);
  if (s->out->n > 0 && s->out->list[0].parts <= saving.parts) return;
  insert(s, &saving);
}

void tlx_savings_find(tlx_str text, const tlx_segments_options *options,
                      const tlx_segments *analysis, tlx_savings *out) {
  out->n = 0;
  if (!analysis->is_forced || analysis->parts < 2) return;
  survey s = { .text = text, .options = options, .analysis = analysis, .out = out };
  find_kinds(&s);
  for (size_t i = 0; i < s.n_kinds; i++) try_kind(&s, &s.kinds[i]);
  if (s.n_kinds == 1 && !s.has_more) return;
  try_smart(&s);
  try_plain(&s);
}

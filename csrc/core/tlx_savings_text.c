#include <stdio.h>
#include <string.h>

#include "tlx_savings.h"
#include "tlx_utf8.h"

typedef struct phrase {
  char text[160];
} phrase;

/* Characters that would show as nothing, or as something else, in the middle of a sentence. */
static bool is_invisible(uint32_t codepoint) {
  static const struct {
    uint32_t first, last;
  } RANGES[] = { { 0x00, 0x20 },     { 0x7F, 0xA0 },     { 0xAD, 0xAD },     { 0x0300, 0x036F },
                 { 0x2000, 0x200F }, { 0x2028, 0x202F }, { 0x205F, 0x206F }, { 0x20D0, 0x20FF },
                 { 0x3000, 0x3000 }, { 0xFE00, 0xFE0F }, { 0xFEFF, 0xFEFF }, { 0xE0000, 0xE0FFF } };
  for (size_t i = 0; i < sizeof RANGES / sizeof *RANGES; i++) {
    if (codepoint >= RANGES[i].first && codepoint <= RANGES[i].last) return true;
  }
  return false;
}

static size_t codepoints_in(tlx_str text) {
  size_t n = 0;
  for (size_t i = 0; i < text.n; i++) n += ((unsigned char)text.p[i] & 0xC0) != 0x80;
  return n;
}

/* "U+1F468 and 4 more" */
static phrase codepoints_of(const tlx_saving *s) {
  phrase p;
  size_t n_more = codepoints_in(s->character) - 1;
  int n = snprintf(p.text, sizeof p.text, "U+%04lX", (unsigned long)s->codepoint);
  if (n_more > 0) {
    snprintf(p.text + n, sizeof p.text - (size_t)n, " and %lu more", (unsigned long)n_more);
  }
  return p;
}

/* "’ (U+2019, 3 times)", or only "U+200B (3 times)" */
static phrase name_of(const tlx_saving *s) {
  phrase p, codepoints = codepoints_of(s);
  unsigned long n_times = (unsigned long)(s->n_replaced + s->n_removed);
  char times[40] = "";
  bool is_named = !is_invisible(s->codepoint);
  if (n_times > 1) snprintf(times, sizeof times, "%s%lu times", is_named ? ", " : " (", n_times);
  if (is_named) {
    snprintf(p.text, sizeof p.text, "%.*s (%.40s%s)", (int)s->character.n, s->character.p,
             codepoints.text, times);
  } else {
    snprintf(p.text, sizeof p.text, "%.40s%s%s", codepoints.text, times, n_times > 1 ? ")" : "");
  }
  return p;
}

static phrase replacement_of(const tlx_saving *s) {
  phrase p;
  size_t n_spaces = strspn(s->replacement, " ");
  if (n_spaces > 1) {
    snprintf(p.text, sizeof p.text, "%lu spaces", (unsigned long)n_spaces);
  } else {
    snprintf(p.text, sizeof p.text, "%s", n_spaces ? "a space" : s->replacement);
  }
  return p;
}

static const char *plural(size_t n) {
  return n == 1 ? "" : "s";
}

/* "replacing 3 and removing 1 character outside GSM-7" */
static phrase plain_change(const tlx_saving *s, tlx_charset charset) {
  phrase p;
  const char *outside = charset == TLX_CHARSET_ASCII ? "outside ASCII" : "outside GSM-7";
  unsigned long n_replaced = (unsigned long)s->n_replaced, n_removed = (unsigned long)s->n_removed;
  if (n_replaced == 0) {
    snprintf(p.text, sizeof p.text, "removing the %lu character%s %s", n_removed,
             plural(s->n_removed), outside);
  } else if (n_removed == 0) {
    snprintf(p.text, sizeof p.text, "replacing the %lu character%s %s by plain ones", n_replaced,
             plural(s->n_replaced), outside);
  } else {
    snprintf(p.text, sizeof p.text, "replacing %lu and removing %lu character%s %s", n_replaced,
             n_removed, plural(s->n_removed), outside);
  }
  return p;
}

static phrase change_of(const tlx_saving *s, tlx_charset charset) {
  phrase p;
  switch (s->change) {
    case TLX_CHANGE_PLAIN:
      return plain_change(s, charset);
    case TLX_CHANGE_SMART:
      snprintf(p.text, sizeof p.text, "smart encoding (%lu character%s replaced)",
               (unsigned long)s->n_replaced, plural(s->n_replaced));
      return p;
    case TLX_CHANGE_REPLACE:
      snprintf(p.text, sizeof p.text, "replacing %.100s by %.40s", name_of(s).text,
               replacement_of(s).text);
      return p;
    case TLX_CHANGE_REMOVE:
    default:
      snprintf(p.text, sizeof p.text, "removing %.140s", name_of(s).text);
      return p;
  }
}

void tlx_saving_text(const tlx_saving *saving, size_t n_parts, tlx_charset charset,
                     char out[TLX_MAX_SAVING_TEXT]) {
  snprintf(out, TLX_MAX_SAVING_TEXT, "%s makes %lu part%s instead of %lu",
           change_of(saving, charset).text, (unsigned long)saving->parts, plural(saving->parts),
           (unsigned long)n_parts);
}

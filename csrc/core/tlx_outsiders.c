#include "tlx_outsiders.h"

#include "tlx_plain_run.h"
#include "tlx_smart.h"
#include "tlx_utf8.h"

const char *tlx_bare_letter(uint32_t codepoint) {
  /* U+00C0 to U+017F, sixteen a line. */
  static const char LETTERS[] =
      "AAAAAA CEEEEIIII"
      " NOOOOO OUUUUY  "
      "aaaaaa ceeeeiiii"
      " nooooo ouuuuy y"
      "AaAaAaCcCcCcCcDd"
      "DdEeEeEeEeEeGgGg"
      "GgGgHhHhIiIiIiIi"
      "Ii  JjKk LlLlLlL"
      "lLlNnNnNn   OoOo"
      "Oo  RrRrRrSsSsSs"
      "SsTtTtTtUuUuUuUu"
      "UuUuWwYyYZzZzZzs";
  static const char ALPHABET[] =
      "A\0B\0C\0D\0E\0F\0G\0H\0I\0J\0K\0L\0M\0N\0O\0P\0Q\0R\0S\0T\0U\0V\0W\0X\0Y\0Z\0"
      "a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0q\0r\0s\0t\0u\0v\0w\0x\0y\0z";
  if (codepoint < 0xC0 || codepoint > 0x17F) return NULL;
  char letter = LETTERS[codepoint - 0xC0];
  if (letter == ' ') return NULL;
  size_t index = letter >= 'a' ? 26 + (size_t)(letter - 'a') : (size_t)(letter - 'A');
  return &ALPHABET[2 * index];
}

static const char *stand_in(uint32_t codepoint) {
  const char *replacement = tlx_smart_replacement(codepoint);
  return replacement ? replacement : tlx_bare_letter(codepoint);
}

/* Not in the charset, nor brought into it by a substitution that is counted anyway. */
static bool is_outside(const tlx_outsiders *s, uint32_t codepoint) {
  if (tlx_gsm7_septets(codepoint, s->charset)) return false;
  return !(s->is_smart && tlx_smart_replacement(codepoint));
}

/* The code point at `p`, or 0 at the end: NUL is never a part of an emoji. */
static uint32_t peek(const char *p, const char *end, size_t *n_bytes) {
  uint32_t codepoint = 0;
  *n_bytes = p < end ? tlx_utf8_read(p, end, &codepoint) : 0;
  return codepoint;
}

static bool is_regional_indicator(uint32_t codepoint) {
  return codepoint >= 0x1F1E6 && codepoint <= 0x1F1FF;
}

/* Variation selectors, the keycap, skin tones, the letters of a flag's tag. */
static bool is_emoji_extension(uint32_t codepoint) {
  return (codepoint >= 0xFE00 && codepoint <= 0xFE0F) || codepoint == 0x20E3 ||
         (codepoint >= 0x1F3FB && codepoint <= 0x1F3FF) ||
         (codepoint >= 0xE0020 && codepoint <= 0xE007F);
}

/* Where the emoji goes on after one of its code points, or `p` when it does not. */
static const char *extended(const tlx_outsiders *s, const char *p) {
  enum { JOINER = 0x200D };
  size_t n, n_joined;
  uint32_t codepoint = peek(p, s->end, &n);
  if (is_emoji_extension(codepoint)) return p + n;
  if (codepoint != JOINER) return p;
  uint32_t joined = peek(p + n, s->end, &n_joined);
  if (!is_outside(s, joined) || stand_in(joined)) return p;
  return p + n + n_joined;
}

/* Emoji are taken whole, as far as anybody makes them: flags by their two halves, families by their
 * joiners. `p` stands after the first code point. */
static const char *whole_emoji(const tlx_outsiders *s, uint32_t first, const char *p) {
  enum { MAX_STEPS = 10 };
  size_t n;
  if (is_regional_indicator(first) && is_regional_indicator(peek(p, s->end, &n))) p += n;
  for (int i = 0; i < MAX_STEPS; i++) {
    const char *next = extended(s, p);
    if (next == p) break;
    p = next;
  }
  return p;
}

bool tlx_outsiders_next(tlx_outsiders *s, tlx_outsider *out) {
  while (s->p < s->end) {
    s->p += tlx_plain_run(s->p, s->end);
    size_t n;
    uint32_t codepoint = peek(s->p, s->end, &n);
    const char *start = s->p;
    s->p += n;
    if (n == 0 || !is_outside(s, codepoint)) continue;
    out->codepoint = codepoint;
    out->stand_in = stand_in(codepoint);
    if (!out->stand_in) s->p = whole_emoji(s, codepoint, s->p);
    out->character = (tlx_str){ start, (size_t)(s->p - start) };
    return true;
  }
  return false;
}

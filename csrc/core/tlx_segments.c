#include "tlx_segments.h"

#include "tlx_plain_run.h"
#include "tlx_smart.h"
#include "tlx_utf8.h"

typedef struct alphabet_limits {
  size_t single; /* units in a message of one part */
  size_t multi;  /* units in each part of several */
} alphabet_limits;

static const alphabet_limits GSM7_LIMITS = { 160, 153 };
static const alphabet_limits UCS2_LIMITS = { 70, 67 };

/* Units that may be split anywhere, laid into parts from left to right. */
static void lay_run(tlx_counter *c, size_t n_units) {
  size_t total = c->used + n_units;
  if (total > c->capacity) {
    size_t beyond = total - c->capacity - 1;
    c->n_closed += 1 + beyond / c->capacity;
    total = beyond % c->capacity + 1;
  }
  c->used = total;
}

static void lay_unsplittable(tlx_counter *c, size_t n_units) {
  if (c->used + n_units > c->capacity) {
    c->n_closed++;
    c->used = 0;
  }
  c->used += n_units;
}

static void count_run(tlx_counter *c, size_t n_units) {
  lay_run(c, n_units);
  c->out->units += n_units;
  c->out->characters += n_units;
}

static void count_character(tlx_counter *c, size_t n_units) {
  lay_unsplittable(c, n_units);
  c->out->units += n_units;
  c->out->characters++;
}

/* Every substitution is made of characters in every charset, so it never changes the encoding. */
static void count_replacement(tlx_counter *c, const char *replacement) {
  bool is_ucs2 = c->out->encoding == TLX_ENCODING_UCS2;
  for (const char *r = replacement; *r; r++) {
    count_character(c, is_ucs2 ? 1 : tlx_gsm7_septets((unsigned char)*r, c->options.charset));
  }
  c->out->replaced++;
}

static void blame(tlx_counter *c, uint32_t codepoint) {
  c->out->forced_by.codepoint = codepoint;
  c->out->forced_by.byte = c->n_fed + (size_t)(c->p - c->start);
  c->out->forced_by.index = c->index;
}

/* What was read so far is all seven bits, hence one UTF-16 unit a character. */
static void turn_to_ucs2(tlx_counter *c) {
  c->out->encoding = TLX_ENCODING_UCS2;
  c->out->units = c->out->characters;
  c->capacity = UCS2_LIMITS.multi;
  c->n_closed = c->used = 0;
  lay_run(c, c->out->characters);
}

static void pass_run(tlx_counter *c, size_t n_bytes, size_t n_characters) {
  count_run(c, n_characters);
  c->index += n_characters;
  c->p += n_bytes;
}

static void skip_plain_run(tlx_counter *c) {
  size_t n = tlx_plain_run(c->p, c->end);
  pass_run(c, n, n);
}

static void skip_unit_run(tlx_counter *c) {
  size_t n_characters;
  const char *stop = tlx_unit_run(c->p, c->end, &n_characters);
  pass_run(c, (size_t)(stop - c->p), n_characters);
}

static size_t read_codepoint(tlx_counter *c, uint32_t *codepoint) {
  size_t n = tlx_utf8_read(c->p, c->end, codepoint);
  if (n == 0) blame(c, 0);
  return n;
}

static void pass(tlx_counter *c, size_t n_bytes) {
  c->p += n_bytes;
  c->index++;
}

static tlx_segments_status count_ucs2(tlx_counter *c) {
  while (c->p < c->end) {
    uint32_t codepoint = 0;
    size_t n = read_codepoint(c, &codepoint);
    if (n == 0) return TLX_SEGMENTS_NOT_UTF8;
    count_character(c, codepoint < 0x10000 ? 1 : 2);
    pass(c, n);
    if (n < 4) skip_unit_run(c);
  }
  return TLX_SEGMENTS_OK;
}

static tlx_segments_status count_smart_ucs2(tlx_counter *c) {
  while (c->p < c->end) {
    uint32_t codepoint = 0;
    size_t n = read_codepoint(c, &codepoint);
    if (n == 0) return TLX_SEGMENTS_NOT_UTF8;
    const char *replacement = tlx_smart_replacement(codepoint);
    if (replacement) {
      count_replacement(c, replacement);
    } else {
      count_character(c, codepoint < 0x10000 ? 1 : 2);
    }
    pass(c, n);
    if (n == 1) skip_plain_run(c);
  }
  return TLX_SEGMENTS_OK;
}

/* Stops at the first character that does not fit in seven bits. */
static tlx_segments_status count_gsm7(tlx_counter *c) {
  for (;;) {
    skip_plain_run(c);
    if (c->p == c->end) return TLX_SEGMENTS_OK;
    uint32_t codepoint = 0;
    size_t n = read_codepoint(c, &codepoint);
    if (n == 0) return TLX_SEGMENTS_NOT_UTF8;
    const char *replacement = c->is_smart ? tlx_smart_replacement(codepoint) : NULL;
    unsigned septets = tlx_gsm7_septets(codepoint, c->options.charset);
    if (replacement) {
      count_replacement(c, replacement);
    } else if (septets) {
      count_character(c, septets);
    } else {
      blame(c, codepoint);
      return TLX_SEGMENTS_NOT_GSM7;
    }
    pass(c, n);
  }
}

/* Field by field: compilers clear a whole struct by an instruction that costs as much as counting a
 * short message. */
static void clear(tlx_segments *out) {
  out->encoding = TLX_ENCODING_GSM7;
  out->parts = out->formula_parts = out->units = out->characters = 0;
  out->limit = out->remaining = out->replaced = 0;
  out->is_forced = false;
  out->forced_by.codepoint = 0;
  out->forced_by.byte = out->forced_by.index = 0;
}

void tlx_counter_start(tlx_counter *c, const tlx_segments_options *options, tlx_segments *out) {
  clear(out);
  c->out = out;
  c->options = *options;
  c->is_smart = options->encoding == TLX_ENCODING_GSM7 ||
                (options->smart && options->encoding == TLX_ENCODING_AUTO);
  c->capacity = GSM7_LIMITS.multi;
  c->n_closed = c->used = c->n_fed = c->index = 0;
  if (options->encoding == TLX_ENCODING_UCS2) turn_to_ucs2(c);
}

static tlx_segments_status count_piece(tlx_counter *c) {
  if (c->out->encoding == TLX_ENCODING_GSM7) {
    tlx_segments_status status = count_gsm7(c);
    if (status != TLX_SEGMENTS_NOT_GSM7 || c->options.encoding == TLX_ENCODING_GSM7) return status;
    c->out->is_forced = true;
    turn_to_ucs2(c);
  }
  tlx_culprit culprit = c->out->forced_by;
  tlx_segments_status status = c->is_smart ? count_smart_ucs2(c) : count_ucs2(c);
  if (status == TLX_SEGMENTS_OK) c->out->forced_by = culprit;
  return status;
}

tlx_segments_status tlx_counter_feed(tlx_counter *c, tlx_str piece) {
  c->start = c->p = piece.n ? piece.p : "";
  c->end = c->p + piece.n;
  tlx_segments_status status = count_piece(c);
  c->n_fed += piece.n;
  return status;
}

void tlx_counter_finish(tlx_counter *c) {
  tlx_segments *out = c->out;
  const alphabet_limits *limits = out->encoding == TLX_ENCODING_GSM7 ? &GSM7_LIMITS : &UCS2_LIMITS;
  if (out->units <= limits->single) {
    out->parts = out->formula_parts = out->units > 0;
    out->limit = limits->single;
    out->remaining = limits->single - out->units;
    return;
  }
  out->parts = c->n_closed + 1;
  out->formula_parts = (out->units + limits->multi - 1) / limits->multi;
  out->limit = limits->multi;
  out->remaining = limits->multi - c->used;
}

tlx_segments_status tlx_segments_count(tlx_str text, const tlx_segments_options *options,
                                       tlx_segments *out) {
  tlx_counter c;
  tlx_counter_start(&c, options, out);
  tlx_segments_status status = tlx_counter_feed(&c, text);
  if (status == TLX_SEGMENTS_OK) tlx_counter_finish(&c);
  if (status != TLX_SEGMENTS_NOT_GSM7) return status;
  /* A text that is not UTF-8 is told so, even when something else was wrong with it first. */
  size_t n_read = out->forced_by.byte;
  size_t n_good = tlx_utf8_valid_prefix((tlx_str){ text.p + n_read, text.n - n_read });
  if (n_read + n_good == text.n) return status;
  out->forced_by = (tlx_culprit){ 0, n_read + n_good, 0 };
  return TLX_SEGMENTS_NOT_UTF8;
}

size_t tlx_segments_least(tlx_str text, tlx_encoding encoding) {
  tlx_segments_options options = { TLX_CHARSET_3GPP, encoding, false };
  tlx_segments plain, smart;
  if (tlx_segments_count(text, &options, &plain) != TLX_SEGMENTS_OK) return 0;
  if (encoding != TLX_ENCODING_AUTO) return plain.formula_parts;
  options.smart = true;
  tlx_segments_count(text, &options, &smart);
  return smart.formula_parts < plain.formula_parts ? smart.formula_parts : plain.formula_parts;
}

static size_t units_of(uint32_t codepoint, const tlx_segments *analysis, tlx_charset charset) {
  if (analysis->encoding == TLX_ENCODING_GSM7) return tlx_gsm7_septets(codepoint, charset);
  return codepoint < 0x10000 ? 1 : 2;
}

tlx_str tlx_segments_cut(tlx_str *rest, const tlx_segments *analysis, tlx_charset charset) {
  const char *start = rest->p, *p = start, *end = start + rest->n;
  size_t used = 0;
  while (p < end) {
    uint32_t codepoint = 0;
    size_t n = tlx_utf8_read(p, end, &codepoint);
    used += units_of(codepoint, analysis, charset);
    if (used > analysis->limit) break;
    p += n;
  }
  *rest = (tlx_str){ p, (size_t)(end - p) };
  return (tlx_str){ start, (size_t)(p - start) };
}

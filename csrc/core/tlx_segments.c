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

/* Parts of a message that has several, laid from left to right. */
typedef struct layout {
  size_t capacity;
  size_t closed; /* parts that hold no more */
  size_t used;   /* units in the open one */
} layout;

static void lay_run(layout *l, size_t n_units) {
  size_t total = l->used + n_units;
  if (total > l->capacity) {
    size_t beyond = total - l->capacity - 1;
    l->closed += 1 + beyond / l->capacity;
    total = beyond % l->capacity + 1;
  }
  l->used = total;
}

static void lay_unsplittable(layout *l, size_t n_units) {
  if (l->used + n_units > l->capacity) {
    l->closed++;
    l->used = 0;
  }
  l->used += n_units;
}

typedef struct counter {
  const tlx_segments_options *options;
  tlx_segments *out;
  const char *start, *p, *end;
  layout parts;
  size_t index; /* code points read, before substitution */
  bool smart;
} counter;

static void count_run(counter *c, size_t n_units) {
  lay_run(&c->parts, n_units);
  c->out->units += n_units;
  c->out->characters += n_units;
}

static void count_character(counter *c, size_t n_units) {
  lay_unsplittable(&c->parts, n_units);
  c->out->units += n_units;
  c->out->characters++;
}

/* Every substitution is made of GSM-7 characters, so it never changes the encoding. */
static void count_replacement(counter *c, const char *replacement) {
  bool is_gsm7 = c->out->encoding == TLX_ENCODING_GSM7;
  for (const char *r = replacement; *r; r++) {
    count_character(c, is_gsm7 ? tlx_gsm7_septets((unsigned char)*r, TLX_CHARSET_3GPP) : 1);
  }
  c->out->replaced++;
}

static void blame(counter *c, uint32_t codepoint) {
  c->out->forced_by.codepoint = codepoint;
  c->out->forced_by.byte = (size_t)(c->p - c->start);
  c->out->forced_by.index = c->index;
}

/* What was read so far is all GSM-7, hence one UTF-16 unit a character. */
static void turn_to_ucs2(counter *c) {
  c->out->encoding = TLX_ENCODING_UCS2;
  c->out->units = c->out->characters;
  c->parts = (layout){ UCS2_LIMITS.multi, 0, 0 };
  lay_run(&c->parts, c->out->characters);
}

static void skip_plain_run(counter *c) {
  size_t n = tlx_plain_run(c->p, c->end);
  count_run(c, n);
  c->index += n;
  c->p += n;
}

static size_t read_codepoint(counter *c, uint32_t *codepoint) {
  size_t n = tlx_utf8_read(c->p, c->end, codepoint);
  if (n == 0) blame(c, 0);
  return n;
}

static void pass(counter *c, size_t n_bytes) {
  c->p += n_bytes;
  c->index++;
}

static tlx_segments_status count_ucs2(counter *c) {
  while (c->p < c->end) {
    uint32_t codepoint = 0;
    size_t n = read_codepoint(c, &codepoint);
    if (n == 0) return TLX_SEGMENTS_NOT_UTF8;
    const char *replacement = c->smart ? tlx_smart_replacement(codepoint) : NULL;
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

/* Stops at the first character outside GSM-7. */
static tlx_segments_status count_gsm7(counter *c) {
  for (;;) {
    skip_plain_run(c);
    if (c->p == c->end) return TLX_SEGMENTS_OK;
    uint32_t codepoint = 0;
    size_t n = read_codepoint(c, &codepoint);
    if (n == 0) return TLX_SEGMENTS_NOT_UTF8;
    const char *replacement = c->smart ? tlx_smart_replacement(codepoint) : NULL;
    unsigned septets = tlx_gsm7_septets(codepoint, c->options->charset);
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

static void finish(const counter *c) {
  tlx_segments *out = c->out;
  const alphabet_limits *limits = out->encoding == TLX_ENCODING_GSM7 ? &GSM7_LIMITS : &UCS2_LIMITS;
  if (out->units <= limits->single) {
    out->parts = out->formula_parts = out->units > 0;
    out->limit = limits->single;
    out->remaining = limits->single - out->units;
    return;
  }
  out->parts = c->parts.closed + 1;
  out->formula_parts = (out->units + limits->multi - 1) / limits->multi;
  out->limit = limits->multi;
  out->remaining = limits->multi - c->parts.used;
}

static tlx_segments_status count_auto(counter *c) {
  tlx_segments_status status = count_gsm7(c);
  if (status != TLX_SEGMENTS_NOT_GSM7) return status;
  c->out->is_forced = true;
  tlx_culprit culprit = c->out->forced_by;
  turn_to_ucs2(c);
  status = count_ucs2(c);
  if (status == TLX_SEGMENTS_OK) c->out->forced_by = culprit;
  return status;
}

/* A text that is not UTF-8 is told so, even when something else was wrong with it first. */
static tlx_segments_status count_only_gsm7(counter *c) {
  tlx_segments_status status = count_gsm7(c);
  if (status != TLX_SEGMENTS_NOT_GSM7) return status;
  size_t n_good = tlx_utf8_valid_prefix((tlx_str){ c->p, (size_t)(c->end - c->p) });
  if (c->p + n_good == c->end) return status;
  c->p += n_good;
  blame(c, 0);
  return TLX_SEGMENTS_NOT_UTF8;
}

static tlx_segments_status count(counter *c) {
  switch (c->options->encoding) {
    case TLX_ENCODING_UCS2:
      turn_to_ucs2(c);
      return count_ucs2(c);
    case TLX_ENCODING_GSM7:
      return count_only_gsm7(c);
    case TLX_ENCODING_AUTO:
    default:
      return count_auto(c);
  }
}

tlx_segments_status tlx_segments_count(tlx_str text, const tlx_segments_options *options,
                                       tlx_segments *out) {
  *out = (tlx_segments){ .encoding = TLX_ENCODING_GSM7 };
  counter c = { .options = options, .out = out, .parts = { GSM7_LIMITS.multi, 0, 0 } };
  c.start = c.p = text.n ? text.p : "";
  c.end = c.p + text.n;
  c.smart = options->encoding == TLX_ENCODING_GSM7 ||
            (options->smart && options->encoding == TLX_ENCODING_AUTO);
  tlx_segments_status status = count(&c);
  if (status == TLX_SEGMENTS_OK) finish(&c);
  return status;
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

/*
 * How a text is encoded and cut into parts: 3GPP TS 23.038 (alphabets), TS 23.040 §9.2.3.24.1
 * (140 octets a part, of which a 6-octet header once there are several; a character coded as an
 * escape pair, or as a surrogate pair, is never split).
 */
#ifndef TLX_SEGMENTS_H
#define TLX_SEGMENTS_H

#include "tlx.h"
#include "tlx_gsm7.h"

/* The service refuses a message of more parts (its code 40302). */
#define TLX_MAX_PARTS 10

/* Of some routes, where the profile does not cut long texts into several messages. */
#define TLX_MAX_PARTS_OF_ROUTES 25

typedef enum tlx_encoding {
  TLX_ENCODING_AUTO, /* GSM-7 when every character is in it, otherwise UCS-2 */
  TLX_ENCODING_GSM7, /* substitutions are applied, then a character outside GSM-7 is an error */
  TLX_ENCODING_UCS2  /* UCS-2 whatever the text */
} tlx_encoding;

typedef struct tlx_segments_options {
  tlx_charset charset;
  tlx_encoding encoding;
  bool smart; /* count as if tlx_smart_encode had been applied; never when UCS-2 is asked for */
} tlx_segments_options;

/* A character that is not GSM-7, and where it stands in the text as given. */
typedef struct tlx_culprit {
  uint32_t codepoint;
  size_t byte;  /* offset, from 0 */
  size_t index; /* code points before it */
} tlx_culprit;

typedef struct tlx_segments {
  tlx_encoding encoding; /* TLX_ENCODING_GSM7 (the charset's seven bits) or TLX_ENCODING_UCS2 */
  size_t parts;          /* 0 for an empty text */
  size_t formula_parts;  /* units divided by what a part holds, rounded up: the price page's sum */
  size_t units;          /* septets, or UTF-16 code units (UCS-2), UDH not counted */
  size_t characters;     /* code points, after substitution when that was asked for */
  size_t limit;          /* units a part holds at this length: 160 or 153, 70 or 67 */
  size_t remaining;      /* units free in the last part */
  size_t replaced;       /* characters substituted */
  bool is_forced;        /* UCS-2 because of `forced_by` (not when UCS-2 was asked for) */
  tlx_culprit forced_by; /* the first character outside GSM-7; set when is_forced */
} tlx_segments;

typedef enum tlx_segments_status {
  TLX_SEGMENTS_OK,
  TLX_SEGMENTS_NOT_UTF8, /* forced_by.byte is the offset of the first byte that is not UTF-8 */
  TLX_SEGMENTS_NOT_GSM7  /* GSM-7 was asked for; forced_by is the first character outside it */
} tlx_segments_status;

/*
 * Analyses `text` in one pass.
 *
 * text     UTF-8, checked here; may hold NUL; not retained.
 * options  Not NULL.
 * out      Complete on TLX_SEGMENTS_OK, otherwise only `forced_by` is meaningful. Not NULL.
 * Thread-safe, never allocates, constant memory whatever the length.
 */
tlx_segments_status tlx_segments_count(tlx_str text, const tlx_segments_options *options,
                                       tlx_segments *out);

/* The same analysis of a text that comes in pieces. Callers only pass it along. */
typedef struct tlx_counter {
  tlx_segments *out;
  tlx_segments_options options;
  bool is_smart;
  size_t capacity, n_closed, used; /* parts of several: units each holds, full ones, the open one */
  size_t n_fed, index;             /* bytes of earlier pieces; code points read */
  const char *start, *p, *end;     /* the piece being read; dead between calls */
} tlx_counter;

/* Readies `counter` to fill in `out`, which must outlive it. None may be NULL. The counter owns
 * nothing and need not be ended. */
void tlx_counter_start(tlx_counter *counter, const tlx_segments_options *options,
                       tlx_segments *out);

/*
 * Counts one more piece, made of whole characters; not retained.
 *
 * Returns as tlx_segments_count does, culprits standing where they do in all that was fed. After
 * anything but TLX_SEGMENTS_OK the counter is spent. Thread-safe, never allocates.
 */
tlx_segments_status tlx_counter_feed(tlx_counter *counter, tlx_str piece);

/* Completes `out`. May be called once. */
void tlx_counter_finish(tlx_counter *counter);

/*
 * The fewest parts that the service could make of `text`, whatever it has not told us: the whole
 * standard alphabet, the price page's sum, and substitutions if the profile applies them.
 *
 * text  UTF-8, checked here. Returns 0 when it is not UTF-8 or cannot be sent so encoded.
 */
size_t tlx_segments_least(tlx_str text, tlx_encoding encoding);

/*
 * Cuts off the next part.
 *
 * rest      The text not yet cut, well-formed UTF-8; what remains of it afterwards.
 * analysis  Of the whole text, which must have been counted without substitution.
 * charset   As counted.
 * Returns the part, a view into the text; empty when nothing was left.
 */
tlx_str tlx_segments_cut(tlx_str *rest, const tlx_segments *analysis, tlx_charset charset);

#endif

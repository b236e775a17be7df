/*
 * What one change to a text that had to be UCS-2 would save: each is counted anew, so it is true,
 * not likely. The service's substitutions come first, then letters without their accents, then
 * doing without a character.
 */
#ifndef TLX_SAVINGS_H
#define TLX_SAVINGS_H

#include "tlx_segments.h"

/* How many are reported, and how many different characters are considered one by one: the first
 * ones of the text. So a text is counted a fixed number of times, whatever it holds. */
#define TLX_MAX_SAVINGS 4
#define TLX_MAX_SAVING_KINDS 8

/* In the order of the harm they do to the text. */
typedef enum tlx_change {
  TLX_CHANGE_REPLACE, /* one character, by what stands in for it */
  TLX_CHANGE_SMART,   /* all of the service's substitutions */
  TLX_CHANGE_REMOVE,  /* one character, also where that is the service's substitution */
  TLX_CHANGE_PLAIN    /* everything outside: replaced where something stands in, else removed */
} tlx_change;

/* A change, and the text counted after it. */
typedef struct tlx_saving {
  tlx_change change;
  tlx_str character;  /* REPLACE and REMOVE: a view of the first one; an emoji is taken whole */
  uint32_t codepoint; /* the first code point of it */
  const char *replacement;      /* static; "" for REMOVE */
  size_t n_replaced, n_removed; /* characters changed, of all that change */
  tlx_encoding encoding;
  size_t parts; /* fewer than before, never 0 */
} tlx_saving;

typedef struct tlx_savings {
  size_t n;
  tlx_saving list[TLX_MAX_SAVINGS]; /* fewest parts first, then the least harm to the text */
} tlx_savings;

/*
 * Finds what saves.
 *
 * text      As counted; views of it are handed out.
 * options   As counted. Not NULL.
 * analysis  What tlx_segments_count found, with TLX_SEGMENTS_OK. Not NULL.
 * out       Empty unless a character forced UCS-2 on several parts. Not NULL. Changes that remove
 *           more than a quarter of the characters are left out, and so is removing a letter of a
 *           text written in letters that nothing stands in for.
 * Takes a fixed number of passes and constant memory. Thread-safe, never allocates.
 */
void tlx_savings_find(tlx_str text, const tlx_segments_options *options,
                      const tlx_segments *analysis, tlx_savings *out);

/* Enough for any sentence of tlx_saving_text. */
#define TLX_MAX_SAVING_TEXT 256

/*
 * Puts a saving in words: "replacing ’ (U+2019, 3 times) by ' makes 1 part instead of 3".
 *
 * n_parts  Of the text as it is.
 * charset  As counted.
 * out      Receives a NUL-terminated string. Not NULL.
 */
void tlx_saving_text(const tlx_saving *saving, size_t n_parts, tlx_charset charset,
                     char out[TLX_MAX_SAVING_TEXT]);

#endif

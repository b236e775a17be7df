/*
 * What a number, a sender, an id and a URL look like. Yes or no about bytes: nothing here
 * knows a message. Thread-safe, never allocates; views may hold any byte.
 */
#ifndef TLX_SHAPES_H
#define TLX_SHAPES_H

#include "tlx.h"

/* "+" and 7 to 15 digits, the first not 0 (ITU-T E.164). */
bool tlx_is_e164(tlx_str s);

/* 5 or 6 digits. */
bool tlx_is_short_code(tlx_str s);

/* 1 to 11 ASCII letters, digits and spaces, with at least one letter. */
bool tlx_is_alphanumeric_sender(tlx_str s);

/* Holds at least one ASCII letter. */
bool tlx_has_letter(tlx_str s);

/* 8-4-4-4-12 hexadecimal digits, whatever the version nibble: the service's ids ignore it. */
bool tlx_is_uuid(tlx_str s);

/* NULL when `url` is an absolute http or https URL of at most 2000 bytes (the service's limit),
 * otherwise what is wrong, as words to follow "must". The words are static. */
const char *tlx_url_fault(tlx_str url);

#endif

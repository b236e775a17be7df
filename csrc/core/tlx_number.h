/*
 * What telephone numbers look like. Yes or no about bytes: nothing here knows a message.
 * Sources: ITU-T E.164; the North American Numbering Plan (country code 1) and its administrator's
 * list of area codes by country. Thread-safe, never allocates; views may hold any byte.
 */
#ifndef TLX_NUMBER_H
#define TLX_NUMBER_H

#include "tlx.h"

/* "+" and 7 to 15 digits, the first not 0. */
bool tlx_is_e164(tlx_str s);

/* As many ASCII digits and nothing else. */
bool tlx_is_digits(tlx_str s, size_t least, size_t most);

/* The following are asked about what is E.164. */

/* Country code 1. */
bool tlx_is_nanp(tlx_str number);

/* Ten digits after +1, and an area code from 200. */
bool tlx_is_possible_nanp(tlx_str number);

/* In the US without its islands but Puerto Rico, or in Canada. */
bool tlx_is_us_or_canada(tlx_str number);

/* +1 800, 833, 844, 855, 866, 877 or 888. */
bool tlx_is_toll_free(tlx_str number);

#endif

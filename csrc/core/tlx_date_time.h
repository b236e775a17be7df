/* Times as text. Independent of locale and of the machine's zone. Thread-safe, never allocates. */
#ifndef TLX_DATE_TIME_H
#define TLX_DATE_TIME_H

#include "tlx.h"

/*
 * Reads a date-time of RFC 3339 §5.6, such as 2026-11-23T14:05:00Z.
 *
 * seconds  Since 1970, written only on success.
 * Returns false when it is not one, or names no real day.
 */
bool tlx_parse_date_time(tlx_str text, double *seconds);

/*
 * Reads an HTTP date in any of the three forms of RFC 9110 §5.6.7, such as
 * Sun, 06 Nov 1994 08:49:37 GMT.
 *
 * text     NUL-terminated.
 * seconds  Since 1970, written only on success.
 */
bool tlx_parse_http_date(const char *text, double *seconds);

#endif

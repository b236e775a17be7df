/* The GSM 7-bit default alphabet and its extension table, 3GPP TS 23.038 §6.2.1. */
#ifndef TLX_GSM7_H
#define TLX_GSM7_H

#include "tlx.h"
#include "tlx_gsm7_table.h"

/* Which characters count as GSM-7. TLX_CHARSET_TELNYX, the set the service documents, lacks 13 that
 * the standard has (U+00C7, U+00A4, ten Greek capitals, form feed): it never under-counts. */
typedef enum tlx_charset { TLX_CHARSET_TELNYX, TLX_CHARSET_3GPP } tlx_charset;

/* Septets that `codepoint` takes: 1, 2 (an escape and one more), or 0 when it is not GSM-7. */
static inline unsigned tlx_gsm7_septets(uint32_t codepoint, tlx_charset charset) {
  enum { SEPTETS = 3, STANDARD_ONLY = 4 };
  if (codepoint >= TLX_GSM7_END) return 0;
  unsigned page = tlx_gsm7_page_of[codepoint / TLX_GSM7_PAGE];
  unsigned cell = tlx_gsm7_pages[page][codepoint % TLX_GSM7_PAGE];
  if ((cell & STANDARD_ONLY) && charset == TLX_CHARSET_TELNYX) return 0;
  return cell & SEPTETS;
}

#endif

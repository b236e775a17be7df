/* The GSM 7-bit default alphabet and its extension table, 3GPP TS 23.038 §6.2.1. */
#ifndef TLX_GSM7_H
#define TLX_GSM7_H

#include "tlx.h"
#include "tlx_gsm7_table.h"

/*
 * Which characters fit in seven bits.
 *
 * TLX_CHARSET_TELNYX  GSM-7 as the service documents it: it lacks 13 characters of the standard
 *                     (U+00C7, U+00A4, ten Greek capitals, form feed), so it never under-counts.
 * TLX_CHARSET_3GPP    GSM-7 as the standard has it.
 * TLX_CHARSET_ASCII   U+0000 to U+007F, one septet each. Uncertain: the service says that short
 *                     codes start from "ASCII 7-bit", but not which characters that holds.
 */
typedef enum tlx_charset { TLX_CHARSET_TELNYX, TLX_CHARSET_3GPP, TLX_CHARSET_ASCII } tlx_charset;

/* Septets that `codepoint` takes: 1, 2 (an escape and one more), or 0 when it does not fit. */
static inline unsigned tlx_gsm7_septets(uint32_t codepoint, tlx_charset charset) {
  enum { SEPTETS = 3, STANDARD_ONLY = 4 };
  if (charset == TLX_CHARSET_ASCII) return codepoint < 0x80;
  if (codepoint >= TLX_GSM7_END) return 0;
  unsigned page = tlx_gsm7_page_of[codepoint / TLX_GSM7_PAGE];
  unsigned cell = tlx_gsm7_pages[page][codepoint % TLX_GSM7_PAGE];
  if ((cell & STANDARD_ONLY) && charset == TLX_CHARSET_TELNYX) return 0;
  return cell & SEPTETS;
}

#endif

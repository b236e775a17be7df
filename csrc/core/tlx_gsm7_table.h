/* Made by tables.lua. Do not edit. Cells: 0 not GSM-7, 1 one septet, 2 an escape
 * and one septet; plus 4 when only the standard has the character, not the service's page. */
#ifndef TLX_GSM7_TABLE_H
#define TLX_GSM7_TABLE_H

#define TLX_GSM7_PAGE 64
#define TLX_GSM7_END (131u * 64u)
extern const unsigned char tlx_gsm7_page_of[131];
extern const unsigned char tlx_gsm7_pages[7][64];

#endif

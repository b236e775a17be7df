/* Made by tables.lua. Do not edit. Cells: 0 no substitution, otherwise an
 * index into tlx_smart_replacements. */
#ifndef TLX_SMART_TABLE_H
#define TLX_SMART_TABLE_H

#define TLX_SMART_PAGE 64
#define TLX_SMART_END (1022u * 64u)
extern const unsigned char tlx_smart_page_of[1022];
extern const unsigned char tlx_smart_pages[34][64];
extern const char *const tlx_smart_replacements[102];

#endif

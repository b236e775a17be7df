/* Bytes on the heap that grow by doubling, up to a ceiling. */
#ifndef TLX_BUFFER_H
#define TLX_BUFFER_H

#include "tlx.h"

/* Caller-owned, freed by tlx_buffer_free; all zero but for `max` at the start. */
typedef struct tlx_buffer {
  char *bytes;
  size_t n, room, max;
} tlx_buffer;

/* Makes room for `n` bytes in all, at most `max`. False when memory is short; then nothing changed.
 */
bool tlx_buffer_reserve(tlx_buffer *buffer, size_t n);

/* Adds bytes, which must not make it longer than `max`. False as above. */
bool tlx_buffer_append(tlx_buffer *buffer, tlx_str bytes);

/* A view that lives until it grows or is freed. */
tlx_str tlx_buffer_view(const tlx_buffer *buffer);

void tlx_buffer_free(tlx_buffer *buffer);

#endif

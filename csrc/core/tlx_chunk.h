/* The line before a chunk: RFC 9112 §7.1. */
#ifndef TLX_CHUNK_H
#define TLX_CHUNK_H

#include "tlx.h"

/*
 * Reads the size of a chunk.
 *
 * line  With its end, which must be CR LF; extensions are passed over.
 * size  SIZE_MAX when it is more than can be counted. Written only on success.
 * Returns false when it is none.
 */
bool tlx_chunk_size(tlx_str line, size_t *size);

#endif

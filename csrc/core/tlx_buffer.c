#include "tlx_buffer.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_ROOM 256

bool tlx_buffer_reserve(tlx_buffer *buffer, size_t n) {
  if (n <= buffer->room) return true;
  char *bytes = realloc(buffer->bytes, n);
  if (!bytes) return false;
  buffer->bytes = bytes;
  buffer->room = n;
  return true;
}

static size_t grown(const tlx_buffer *buffer, size_t n) {
  size_t room = buffer->room < LEAST_ROOM ? LEAST_ROOM : buffer->room;
  while (room < n && room <= buffer->max / 2) room *= 2;
  return room < n || room > buffer->max ? buffer->max : room;
}

bool tlx_buffer_append(tlx_buffer *buffer, tlx_str bytes) {
  size_t n = buffer->n + bytes.n;
  if (bytes.n == 0) return true;
  if (n > buffer->room && !tlx_buffer_reserve(buffer, grown(buffer, n))) return false;
  memcpy(buffer->bytes + buffer->n, bytes.p, bytes.n);
  buffer->n = n;
  return true;
}

tlx_str tlx_buffer_view(const tlx_buffer *buffer) {
  return (tlx_str){ buffer->bytes, buffer->n };
}

void tlx_buffer_free(tlx_buffer *buffer) {
  free(buffer->bytes);
  buffer->bytes = NULL;
  buffer->n = buffer->room = 0;
}

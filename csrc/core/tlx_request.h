/*
 * The bytes of a request. What all requests to one place have in common is written once, as a
 * prefix that ends where the length of the body follows. Nothing here allocates.
 */
#ifndef TLX_REQUEST_H
#define TLX_REQUEST_H

#include "tlx.h"

typedef struct tlx_header {
  tlx_str name, value;
} tlx_header;

/* Where requests go and what every one of them carries. Views hold no NUL, CR or LF. */
typedef struct tlx_target {
  tlx_str method;
  bool is_https;
  tlx_str host; /* an IPv6 address keeps its brackets */
  unsigned port;
  tlx_str path;
  const tlx_header *headers;
  size_t n_headers;
} tlx_target;

/* How many bytes the prefix takes. */
size_t tlx_request_prefix_size(const tlx_target *target);

/* Writes exactly so many, without NUL: request line, Host (with the port when it is not the
 * scheme's own: RFC 9110 §7.2), the headers, and "Content-Length: ". */
void tlx_request_write_prefix(const tlx_target *target, char *out);

/* How many bytes a request with this body takes. */
size_t tlx_request_size(size_t n_prefix, size_t n_body);

/* Writes exactly so many: prefix, length, empty line, body. */
void tlx_request_write(tlx_str prefix, tlx_str body, char *out);

#endif

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

#define TLX_IDEMPOTENCY_HEADER "Idempotency-Key"

/* What one request has of its own. */
typedef struct tlx_post {
  tlx_str body;
  tlx_str idempotency_key; /* of a header; none when empty */
} tlx_post;

/* Yes for 1 to 255 letters, digits, _ and -. Source: replies of the service to others; its page on
 * idempotency, which is about other requests, has a colon as well. Thread-safe. */
bool tlx_is_idempotency_key(tlx_str key);

/* How many bytes such a request takes. */
size_t tlx_request_size(size_t n_prefix, const tlx_post *post);

/* Writes exactly so many: prefix, length, the header of its own, empty line, body. */
void tlx_request_write(tlx_str prefix, const tlx_post *post, char *out);

#endif

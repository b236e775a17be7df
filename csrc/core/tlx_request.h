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
  size_t n_base; /* how much of the path stands in front of every resource; at most its length */
  const tlx_header *headers;
  size_t n_headers;
} tlx_target;

/* What all requests to one place have in common. Views of bytes that are the caller's. */
typedef struct tlx_prefix {
  tlx_str bytes;
  tlx_str base;  /* of the path */
  size_t n_line; /* how many of the bytes are the request line */
} tlx_prefix;

/* How many bytes the prefix takes. */
size_t tlx_request_prefix_size(const tlx_target *target);

/* The prefix whose bytes were written at `bytes`, or will be. */
tlx_prefix tlx_request_prefix(const tlx_target *target, const char *bytes);

/* Writes exactly so many, without NUL: request line, Host (with the port when it is not the
 * scheme's own: RFC 9110 §7.2), the headers, and "Content-Length: ". */
void tlx_request_write_prefix(const tlx_target *target, char *out);

#define TLX_IDEMPOTENCY_HEADER "Idempotency-Key"

/* What one request has of its own. */
typedef struct tlx_post {
  tlx_str body;
  tlx_str idempotency_key; /* of a header; none when empty */
  tlx_str method;          /* empty: the target's, and its path */
  tlx_str resource;        /* with a method: what the path has behind its base, and a query */
} tlx_post;

/* Whether a resource begins with a slash and has only visible ASCII characters. Thread-safe. */
bool tlx_is_resource(tlx_str resource);

/* Yes for 1 to 255 letters, digits, _ and -. Source: replies of the service to others; its page on
 * idempotency, which is about other requests, has a colon as well. Thread-safe. */
bool tlx_is_idempotency_key(tlx_str key);

/* How many bytes such a request takes. */
size_t tlx_request_size(const tlx_prefix *prefix, const tlx_post *post);

/* Writes exactly so many: prefix, length, the header of its own, empty line, body; with a request
 * line of its own if there is a method. */
void tlx_request_write(const tlx_prefix *prefix, const tlx_post *post, char *out);

#endif

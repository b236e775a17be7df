#include "tlx_request.h"

#include <string.h>

#define MAX_DIGITS 24
#define MAX_IDEMPOTENCY_KEY 255
#define HTTP_PORT 80
#define HTTPS_PORT 443

static const tlx_str END_OF_HEAD = { "\r\n\r\n", 4 };
static const tlx_str END_OF_LINE = { " HTTP/1.1\r\n", 11 };

/* Writes at `n` of `out`, unless that is NULL, and returns where it ends. */
static size_t put(char *out, size_t n, tlx_str s) {
  if (out && s.n) memcpy(out + n, s.p, s.n);
  return n + s.n;
}

/* By hand, since each request is counted and written: snprintf costs more than all else of it. */
static tlx_str decimal(size_t value, char digits[MAX_DIGITS]) {
  size_t first = MAX_DIGITS;
  do {
    digits[--first] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  return (tlx_str){ digits + first, MAX_DIGITS - first };
}

static size_t put_host(const tlx_target *target, char *out, size_t n) {
  char digits[MAX_DIGITS];
  n = put(out, n, TLX_STR("Host: "));
  n = put(out, n, target->host);
  if (target->port != (target->is_https ? HTTPS_PORT : HTTP_PORT)) {
    n = put(out, n, TLX_STR(":"));
    n = put(out, n, decimal(target->port, digits));
  }
  return put(out, n, TLX_STR("\r\n"));
}

static size_t put_prefix(const tlx_target *target, char *out) {
  size_t n = put(out, 0, target->method);
  n = put(out, n, TLX_STR(" "));
  n = put(out, n, target->path);
  n = put(out, n, END_OF_LINE);
  n = put_host(target, out, n);
  for (size_t i = 0; i < target->n_headers; i++) {
    n = put(out, n, target->headers[i].name);
    n = put(out, n, TLX_STR(": "));
    n = put(out, n, target->headers[i].value);
    n = put(out, n, TLX_STR("\r\n"));
  }
  return put(out, n, TLX_STR("Content-Length: "));
}

size_t tlx_request_prefix_size(const tlx_target *target) {
  return put_prefix(target, NULL);
}

void tlx_request_write_prefix(const tlx_target *target, char *out) {
  put_prefix(target, out);
}

tlx_prefix tlx_request_prefix(const tlx_target *target, const char *bytes) {
  size_t n_method = target->method.n + 1;
  return (tlx_prefix){
    .bytes = { bytes, tlx_request_prefix_size(target) },
    .base = { bytes + n_method, target->n_base },
    .n_line = n_method + target->path.n + END_OF_LINE.n,
  };
}

bool tlx_is_resource(tlx_str resource) {
  for (size_t i = 0; i < resource.n; i++) {
    unsigned char byte = (unsigned char)resource.p[i];
    if (byte <= 0x20 || byte >= 0x7F || byte == '#') return false;
  }
  return resource.n > 0 && resource.p[0] == '/';
}

bool tlx_is_idempotency_key(tlx_str key) {
  if (key.n == 0 || key.n > MAX_IDEMPOTENCY_KEY) return false;
  for (size_t i = 0; i < key.n; i++) {
    char c = key.p[i], lower = (char)(c | 0x20);
    bool is_letter = lower >= 'a' && lower <= 'z';
    if (!is_letter && !(c >= '0' && c <= '9') && c != '_' && c != '-') return false;
  }
  return true;
}

/* With the request line of the post, if it has one. */
static size_t put_common(const tlx_prefix *prefix, const tlx_post *post, char *out) {
  if (post->method.n == 0) return put(out, 0, prefix->bytes);
  size_t n = put(out, 0, post->method);
  n = put(out, n, TLX_STR(" "));
  n = put(out, n, prefix->base);
  n = put(out, n, post->resource);
  n = put(out, n, END_OF_LINE);
  tlx_str rest = { prefix->bytes.p + prefix->n_line, prefix->bytes.n - prefix->n_line };
  return put(out, n, rest);
}

static size_t put_own(const tlx_prefix *prefix, const tlx_post *post, char *out) {
  char digits[MAX_DIGITS];
  size_t n = put_common(prefix, post, out);
  n = put(out, n, decimal(post->body.n, digits));
  if (post->idempotency_key.n > 0) {
    n = put(out, n, TLX_STR("\r\n" TLX_IDEMPOTENCY_HEADER ": "));
    n = put(out, n, post->idempotency_key);
  }
  n = put(out, n, END_OF_HEAD);
  return put(out, n, post->body);
}

size_t tlx_request_size(const tlx_prefix *prefix, const tlx_post *post) {
  return put_own(prefix, post, NULL);
}

void tlx_request_write(const tlx_prefix *prefix, const tlx_post *post, char *out) {
  put_own(prefix, post, out);
}

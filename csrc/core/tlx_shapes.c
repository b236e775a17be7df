#include "tlx_shapes.h"

#include <string.h>

#define MAX_URL_BYTES 2000
#define MAX_ALPHANUMERIC 11
#define UUID_LENGTH 36

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_hex(char c) {
  return is_digit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static size_t leading_digits(tlx_str s) {
  size_t n = 0;
  while (n < s.n && is_digit(s.p[n])) n++;
  return n;
}

bool tlx_is_e164(tlx_str s) {
  if (s.n < 8 || s.n > 16 || s.p[0] != '+' || s.p[1] == '0') return false;
  return leading_digits((tlx_str){ s.p + 1, s.n - 1 }) == s.n - 1;
}

bool tlx_is_short_code(tlx_str s) {
  return (s.n == 5 || s.n == 6) && leading_digits(s) == s.n;
}

bool tlx_has_letter(tlx_str s) {
  for (size_t i = 0; i < s.n; i++) {
    if (is_letter(s.p[i])) return true;
  }
  return false;
}

bool tlx_is_alphanumeric_sender(tlx_str s) {
  if (s.n == 0 || s.n > MAX_ALPHANUMERIC || !tlx_has_letter(s)) return false;
  for (size_t i = 0; i < s.n; i++) {
    if (!is_letter(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != ' ') return false;
  }
  return true;
}

/* The shape only: the service's own ids do not keep to RFC 4122's version nibble. */
bool tlx_is_uuid(tlx_str s) {
  if (s.n != UUID_LENGTH) return false;
  for (size_t i = 0; i < s.n; i++) {
    bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? s.p[i] != '-' : !is_hex(s.p[i])) return false;
  }
  return true;
}

static bool starts_with_nocase(tlx_str s, tlx_str prefix) {
  return s.n >= prefix.n && tlx_str_eq_nocase((tlx_str){ s.p, prefix.n }, prefix);
}

static tlx_str authority_of(tlx_str url, size_t start) {
  size_t end = start;
  while (end < url.n && !strchr("/?#", url.p[end])) end++;
  return (tlx_str){ url.p + start, end - start };
}

static bool has_host(tlx_str authority) {
  size_t start = 0;
  for (size_t i = 0; i < authority.n; i++) {
    if (authority.p[i] == '@') start = i + 1;
  }
  return start < authority.n && authority.p[start] != ':';
}

const char *tlx_url_fault(tlx_str url) {
  if (url.n > MAX_URL_BYTES) return "be at most 2000 bytes long";
  for (size_t i = 0; i < url.n; i++) {
    unsigned char byte = (unsigned char)url.p[i];
    if (byte <= 0x20 || byte == 0x7F) return "hold no spaces and no control characters";
  }
  size_t start = 0;
  if (starts_with_nocase(url, TLX_STR("https://"))) start = 8;
  if (starts_with_nocase(url, TLX_STR("http://"))) start = 7;
  if (start == 0) return "start with http:// or https://";
  if (!has_host(authority_of(url, start))) return "name a host";
  return NULL;
}

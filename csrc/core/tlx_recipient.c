#include "tlx_recipient.h"

#include <string.h>

static bool is_quoted(const char *p, tlx_str recipient) {
  return p[-1] == '"' && memcmp(p, recipient.p, recipient.n) == 0 && p[recipient.n] == '"';
}

/* By its first byte, since a plus is rarer than a quotation mark. */
bool tlx_recipient_is_named(tlx_str recipient, tlx_str bytes) {
  if (recipient.n == 0 || bytes.n < recipient.n + 2) return false;
  const char *p = bytes.p + 1, *end = bytes.p + (bytes.n - recipient.n - 1);
  while (p < end && (p = memchr(p, recipient.p[0], (size_t)(end - p))) != NULL) {
    if (is_quoted(p, recipient)) return true;
    p++;
  }
  return false;
}

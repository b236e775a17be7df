#include "tlx_sender.h"

#include <string.h>

#include "tlx_ascii.h"
#include "tlx_number.h"

#define UUID_LENGTH 36
#define UUID_DIGITS 32

const char *const tlx_sender_kind_names[TLX_N_SENDER_KINDS] = { "long_code", "toll_free",
                                                                "short_code", "alphanumeric",
                                                                "number_pool" };

bool tlx_has_letter(tlx_str s) {
  return tlx_ascii_has(s, TLX_ASCII_LETTER);
}

bool tlx_is_alphanumeric(tlx_str s) {
  return tlx_ascii_are(s.p, s.n, TLX_ASCII_LETTER | TLX_ASCII_DIGIT | TLX_ASCII_SPACE);
}

/* The shape only: the service's own ids do not keep to RFC 4122's version nibble. */
bool tlx_is_uuid(tlx_str s) {
  char digits[UUID_DIGITS];
  if (s.n != UUID_LENGTH) return false;
  if (s.p[8] != '-' || s.p[13] != '-' || s.p[18] != '-' || s.p[23] != '-') return false;
  memcpy(digits, s.p, 8);
  memcpy(digits + 8, s.p + 9, 4);
  memcpy(digits + 12, s.p + 14, 4);
  memcpy(digits + 16, s.p + 19, 4);
  memcpy(digits + 20, s.p + 24, 12);
  bool are_hex = true;
  for (size_t i = 0; i < UUID_DIGITS; i += 8) are_hex &= tlx_ascii_are_eight_hex(digits + i);
  return are_hex;
}

/* However it is written: without dashes, or in braces. */
static bool is_profile_id(tlx_str s) {
  size_t n_digits = 0;
  for (size_t i = 0; i < s.n; i++) {
    if (tlx_ascii_is(s.p[i], TLX_ASCII_HEX)) {
      n_digits++;
    } else if (s.p[i] != '-' && s.p[i] != '{' && s.p[i] != '}') {
      return false;
    }
  }
  return n_digits == UUID_DIGITS;
}

tlx_sender_kind tlx_sender_kind_of(tlx_str sender) {
  if (sender.n == 0 || (sender.n >= UUID_DIGITS && is_profile_id(sender))) {
    return TLX_SENDER_NUMBER_POOL;
  }
  if (tlx_is_e164(sender)) {
    return tlx_is_toll_free(sender) ? TLX_SENDER_TOLL_FREE : TLX_SENDER_LONG_CODE;
  }
  if (tlx_has_letter(sender)) return TLX_SENDER_ALPHANUMERIC;
  return sender.p[0] == '+' ? TLX_SENDER_LONG_CODE : TLX_SENDER_SHORT_CODE;
}

#include "tlx_number.h"

#include <string.h>

#include "tlx_ascii.h"

#define NANP_LENGTH 12
#define AREA_CODE_AT 2

/* Eight at a time, the last eight perhaps twice. */
static bool are_digits(const char *p, size_t n) {
  if (n < 8) return tlx_ascii_are(p, n, TLX_ASCII_DIGIT);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    if (!tlx_ascii_are_eight_digits(p + i)) return false;
  }
  return tlx_ascii_are_eight_digits(p + n - 8);
}

bool tlx_is_digits(tlx_str s, size_t least, size_t most) {
  return s.n >= least && s.n <= most && are_digits(s.p, s.n);
}

bool tlx_is_e164(tlx_str s) {
  return s.n >= 8 && s.n <= 16 && s.p[0] == '+' && s.p[1] != '0' && are_digits(s.p + 1, s.n - 1);
}

bool tlx_is_nanp(tlx_str number) {
  return number.p[1] == '1';
}

bool tlx_is_possible_nanp(tlx_str number) {
  return number.n == NANP_LENGTH && number.p[AREA_CODE_AT] >= '2';
}

/* Codes of three digits, one after the other. */
static bool has_area_code(tlx_str number, const char *codes) {
  for (const char *code = codes; *code; code += 3) {
    if (memcmp(number.p + AREA_CODE_AT, code, 3) == 0) return true;
  }
  return false;
}

bool tlx_is_us_or_canada(tlx_str number) {
  static const char ELSEWHERE[] =
      "242246264268284340345441473649658664670671684721758767784809829849868869876";
  return tlx_is_nanp(number) && tlx_is_possible_nanp(number) && !has_area_code(number, ELSEWHERE);
}

bool tlx_is_toll_free(tlx_str number) {
  static const char TOLL_FREE[] = "800833844855866877888";
  return tlx_is_nanp(number) && tlx_is_possible_nanp(number) && has_area_code(number, TOLL_FREE);
}

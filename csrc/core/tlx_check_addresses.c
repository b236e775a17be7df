#include "tlx_check.h"

#include "tlx_ascii.h"
#include "tlx_number.h"
#include "tlx_sender.h"
#include "tlx_utf8.h"

#define LEAST_SHORT_CODE 3
#define MOST_SHORT_CODE 8

/* The short codes that the service has. */
static bool is_own_short_code(tlx_str s) {
  return tlx_is_digits(s, 5, 6);
}

/* For a number that was written as at home. */
static const char *hint(tlx_str s) {
  if (!tlx_is_digits(s, MOST_SHORT_CODE + 1, 15)) return "";
  if (s.p[0] == '0' || s.n <= 10) return ": write it with + and its country's code";
  return ": is its + missing?";
}

/* ---- to ---- */

static void check_number_of_to(tlx_check *check, tlx_str to) {
  if (!tlx_is_nanp(to) || tlx_is_possible_nanp(to)) return;
  tlx_findings_add(check->findings, TLX_RULE_to_nanp, "/to",
                   "'to' must have ten digits after +1, the first from 2 to 9, got %s",
                   tlx_quote(to).text);
}

static void check_short_to(tlx_check *check, tlx_str to) {
  if (is_own_short_code(to)) return;
  tlx_findings_add(check->findings, TLX_RULE_to_short_code, "/to",
                   "'to' is a short code of %u digits, where most have 5 or 6: %s", (unsigned)to.n,
                   tlx_quote(to).text);
}

static const char WANTED[] = "the recipient's number, such as \"+18665550001\"";

static void check_to(tlx_check *check) {
  if (tlx_check_lacks(check, TLX_FIELD_to)) {
    tlx_findings_add(check->findings, TLX_RULE_to_missing, "/to", "'to' is required: %s", WANTED);
  }
  if (!tlx_check_is_usable(check, TLX_FIELD_to)) return;
  tlx_str to = tlx_check_string(check, TLX_FIELD_to);
  if (to.n == 0) {
    tlx_findings_add(check->findings, TLX_RULE_to_missing, "/to", "'to' is empty: %s", WANTED);
  } else if (tlx_is_e164(to)) {
    check_number_of_to(check, to);
  } else if (tlx_is_digits(to, LEAST_SHORT_CODE, MOST_SHORT_CODE)) {
    check_short_to(check, to);
  } else {
    tlx_findings_add(check->findings, TLX_RULE_to_shape, "/to",
                     "'to' must be + and 7 to 15 digits not starting with 0, or a short code of 3 "
                     "to 8 digits, got %s%s",
                     tlx_quote(to).text, hint(to));
  }
}

/* ---- from ---- */

static void check_number_of_from(tlx_check *check, tlx_str from) {
  if (tlx_is_nanp(from) && !tlx_is_possible_nanp(from)) {
    tlx_findings_add(check->findings, TLX_RULE_from_nanp, "/from",
                     "'from' must have ten digits after +1, the first from 2 to 9, got %s",
                     tlx_quote(from).text);
  } else if (!tlx_is_nanp(from) && check->is_mms) {
    tlx_findings_add(check->findings, TLX_RULE_mms_sender, "/from",
                     "MMS are sent from US numbers and short codes, and 'from' is %s",
                     tlx_quote(from).text);
  }
}

static bool is_to_us_or_canada(const tlx_check *check) {
  if (!tlx_check_is_usable(check, TLX_FIELD_to)) return false;
  tlx_str to = tlx_check_string(check, TLX_FIELD_to);
  return tlx_is_e164(to) && tlx_is_us_or_canada(to);
}

/* What one can be used for. */
static void check_alphanumeric_use(tlx_check *check) {
  if (tlx_check_lacks(check, TLX_FIELD_messaging_profile_id)) {
    tlx_findings_add(check->findings, TLX_RULE_alphanumeric_profile, "/messaging_profile_id",
                     "'messaging_profile_id' is required when 'from' is alphanumeric");
  }
  if (check->is_mms) {
    tlx_findings_add(check->findings, TLX_RULE_alphanumeric_mms, "/from",
                     "an alphanumeric 'from' cannot send MMS: leave out 'media_urls', 'subject' "
                     "and type = \"MMS\", or send from a number");
  }
  if (is_to_us_or_canada(check)) {
    tlx_findings_add(check->findings, TLX_RULE_alphanumeric_abroad, "/from",
                     "'from' is alphanumeric, and 'to' in the US, Canada or Puerto Rico: sent only "
                     "if the messaging profile has a number for them");
  }
}

static void check_alphanumeric(tlx_check *check, tlx_str from) {
  size_t n = tlx_utf8_characters(from);
  if (n > TLX_MAX_ALPHANUMERIC) {
    tlx_findings_add(check->findings, TLX_RULE_from_alphanumeric, "/from",
                     "an alphanumeric 'from' must be 1 to 11 characters, got %u: %s", (unsigned)n,
                     tlx_quote(from).text);
    return;
  }
  if (!tlx_is_alphanumeric(from)) {
    tlx_findings_add(check->findings, TLX_RULE_from_characters, "/from",
                     "an alphanumeric 'from' must be letters, digits and spaces, got %s",
                     tlx_quote(from).text);
  }
  check_alphanumeric_use(check);
}

static void check_other_from(tlx_check *check, tlx_str from) {
  if (tlx_is_digits(from, 1, MOST_SHORT_CODE)) {
    if (is_own_short_code(from)) return;
    tlx_findings_add(check->findings, TLX_RULE_from_short_code, "/from",
                     "a short code in 'from' must be 5 or 6 digits, got %s", tlx_quote(from).text);
  } else if (from.n == 0) {
    tlx_findings_add(check->findings, TLX_RULE_from_shape, "/from",
                     "'from' is empty: leave it out to send from a profile's number pool");
  } else {
    tlx_findings_add(check->findings, TLX_RULE_from_shape, "/from",
                     "'from' must be + and 7 to 15 digits not starting with 0, a short code of 5 "
                     "or 6 digits, or an alphanumeric sender, got %s%s",
                     tlx_quote(from).text, hint(from));
  }
}

/* What begins with + and a digit was meant for a number. */
static bool is_name(tlx_str from) {
  bool is_number = from.n > 1 && from.p[0] == '+' && tlx_ascii_is(from.p[1], TLX_ASCII_DIGIT);
  return !is_number && tlx_ascii_has(from, TLX_ASCII_LETTER | TLX_ASCII_NONE);
}

static void check_from(tlx_check *check) {
  if (tlx_check_lacks(check, TLX_FIELD_from) &&
      tlx_check_lacks(check, TLX_FIELD_messaging_profile_id)) {
    tlx_findings_add(check->findings, TLX_RULE_sender_missing, "/from",
                     "'from' or 'messaging_profile_id' is required: a sender, or the profile "
                     "whose number pool picks one");
  }
  if (!tlx_check_is_usable(check, TLX_FIELD_from)) return;
  tlx_str from = tlx_check_string(check, TLX_FIELD_from);
  if (tlx_is_e164(from)) {
    check_number_of_from(check, from);
  } else if (is_name(from)) {
    check_alphanumeric(check, from);
  } else {
    check_other_from(check, from);
  }
}

/* ---- both ---- */

static void check_pair(tlx_check *check) {
  if (!tlx_check_is_usable(check, TLX_FIELD_to) || !tlx_check_is_usable(check, TLX_FIELD_from)) {
    return;
  }
  tlx_str to = tlx_check_string(check, TLX_FIELD_to);
  bool is_same = tlx_str_eq(to, tlx_check_string(check, TLX_FIELD_from));
  if (!is_same || to.n == 0 || tlx_has_letter(to)) return;
  tlx_findings_add(check->findings, TLX_RULE_to_is_from, "/to",
                   "'to' is the same as 'from': the service may refuse it, got %s",
                   tlx_quote(to).text);
}

static void check_profile_id(tlx_check *check) {
  if (!tlx_check_is_usable(check, TLX_FIELD_messaging_profile_id)) return;
  tlx_str id = tlx_check_string(check, TLX_FIELD_messaging_profile_id);
  if (tlx_is_uuid(id)) return;
  tlx_findings_add(check->findings, TLX_RULE_profile_id, "/messaging_profile_id",
                   "'messaging_profile_id' must be a UUID such as "
                   "\"3fa85f64-5717-4562-b3fc-2c963f66afa6\", got %s",
                   tlx_quote(id).text);
}

void tlx_check_addresses(tlx_check *check) {
  check_to(check);
  check_from(check);
  check_pair(check);
  check_profile_id(check);
}

#include "tlx_check.h"

#include "tlx_segments.h"
#include "tlx_sender.h"
#include "tlx_utf8.h"

/* A text of so many bytes has no more parts than ten, however it is encoded. */
#define BYTES_OF_TEN_PARTS 670

typedef struct parts {
  size_t least; /* however the service may count */
  size_t exact; /* as it is documented; 0 when it cannot be told */
} parts;

static tlx_encoding asked_encoding(const tlx_check *check) {
  if (tlx_message_says(check->message, TLX_FIELD_encoding, TLX_STR("gsm7"))) {
    return TLX_ENCODING_GSM7;
  }
  if (tlx_message_says(check->message, TLX_FIELD_encoding, TLX_STR("ucs2"))) {
    return TLX_ENCODING_UCS2;
  }
  return TLX_ENCODING_AUTO;
}

/* ---- encoding = "gsm7" ---- */

static void tell_gsm7(tlx_check *check, tlx_str text, const tlx_culprit *culprit) {
  uint32_t codepoint = 0;
  tlx_str character = { text.p + culprit->byte, 0 };
  character.n = tlx_utf8_read(character.p, text.p + text.n, &codepoint);
  tlx_findings_add(check->findings, TLX_RULE_gsm7_impossible, "/text",
                   "encoding = \"gsm7\", but 'text' holds %s (U+%04lX) at byte %lu, which has no "
                   "GSM-7 form",
                   tlx_quote(character).text, (unsigned long)codepoint,
                   (unsigned long)culprit->byte + 1);
}

/* Returns whether it can be sent so. */
static bool check_gsm7(tlx_check *check, tlx_str text) {
  const tlx_segments_options options = { TLX_CHARSET_3GPP, TLX_ENCODING_GSM7, true };
  tlx_segments segments;
  if (tlx_segments_count(text, &options, &segments) == TLX_SEGMENTS_NOT_GSM7) {
    tell_gsm7(check, text, &segments.forced_by);
    return false;
  }
  if (segments.units > 0) return true;
  tlx_findings_add(check->findings, TLX_RULE_gsm7_empty, "/text",
                   "encoding = \"gsm7\", and of 'text' the substitutions leave nothing");
  return false;
}

/* ---- parts ---- */

static bool is_from_short_code(const tlx_check *check) {
  return tlx_check_is_usable(check, TLX_FIELD_from) &&
         tlx_sender_kind_of(tlx_check_string(check, TLX_FIELD_from)) == TLX_SENDER_SHORT_CODE;
}

static size_t least_of(size_t a, size_t b) {
  return b < a ? b : a;
}

/* Short codes send ASCII of 7 bits, or so it is documented. */
static parts count_parts(const tlx_check *check, tlx_str text) {
  tlx_encoding encoding = asked_encoding(check);
  bool is_ascii = encoding == TLX_ENCODING_AUTO && is_from_short_code(check);
  const tlx_segments_options options = { is_ascii ? TLX_CHARSET_ASCII : TLX_CHARSET_TELNYX,
                                         encoding, false };
  tlx_segments exact;
  parts counted = { tlx_segments_least(text, encoding), 0 };
  if (tlx_segments_count(text, &options, &exact) != TLX_SEGMENTS_OK) return counted;
  counted.exact = exact.parts;
  if (is_ascii) counted.least = least_of(counted.least, exact.formula_parts);
  return counted;
}

static void check_parts(tlx_check *check, tlx_str text) {
  if (asked_encoding(check) != TLX_ENCODING_GSM7 && text.n <= BYTES_OF_TEN_PARTS) return;
  parts counted = count_parts(check, text);
  if (counted.least > TLX_MAX_PARTS) {
    bool is_for_none = counted.least > TLX_MAX_PARTS_OF_ROUTES;
    tlx_findings_add(
        check->findings, is_for_none ? TLX_RULE_too_many_parts_for_any : TLX_RULE_too_many_parts,
        "/text",
        "'text' makes %lu parts or more; an SMS holds at most %d (1530 GSM-7 septets "
        "or 670 UCS-2 units), unless its profile's auto_chunk_long_messages is on%s",
        (unsigned long)counted.least, TLX_MAX_PARTS, is_for_none ? "" : " or its route takes 25");
  } else if (counted.exact > TLX_MAX_PARTS) {
    tlx_findings_add(check->findings, TLX_RULE_may_be_too_many_parts, "/text",
                     "'text' makes %lu parts where no character is split and none substituted, and "
                     "%lu by another count; an SMS holds at most %d",
                     (unsigned long)counted.exact, (unsigned long)counted.least, TLX_MAX_PARTS);
  }
}

/* ---- content ---- */

static bool may_have_media(const tlx_check *check) {
  if (!tlx_check_is_usable(check, TLX_FIELD_media_urls)) {
    return !tlx_check_lacks(check, TLX_FIELD_media_urls);
  }
  return check->message->media_urls.n > 0;
}

static void check_content(tlx_check *check) {
  bool is_usable = tlx_check_is_usable(check, TLX_FIELD_text);
  bool is_empty = is_usable && tlx_check_string(check, TLX_FIELD_text).n == 0;
  bool is_none = is_empty || tlx_check_lacks(check, TLX_FIELD_text);
  if (is_none && !may_have_media(check)) {
    tlx_findings_add(check->findings, TLX_RULE_no_content, "/text",
                     "nothing to send: give 'text', 'media_urls' or both%s",
                     is_empty ? " ('text' is empty)" : "");
  } else if (is_empty) {
    tlx_findings_add(check->findings, TLX_RULE_text_empty, "/text",
                     "'text' is empty: leave it out to send media alone");
  }
}

/* What has to be put right otherwise may leave it an MMS, or in another encoding. */
static bool is_sure_sms(const tlx_check *check) {
  bool is_contradicted = tlx_check_has(check, TLX_FIELD_subject) || may_have_media(check);
  return check->is_sms && !is_contradicted && tlx_check_is_encoding_known(check);
}

void tlx_check_text(tlx_check *check) {
  check_content(check);
  if (!tlx_check_is_usable(check, TLX_FIELD_text) || !is_sure_sms(check)) return;
  tlx_str text = tlx_check_string(check, TLX_FIELD_text);
  if (text.n == 0) return;
  if (asked_encoding(check) == TLX_ENCODING_GSM7 && !check_gsm7(check, text)) return;
  check_parts(check, text);
}

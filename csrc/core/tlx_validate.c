#include "tlx_validate.h"

#include <stdio.h>
#include <string.h>

#include "tlx_date_time.h"
#include "tlx_segments.h"
#include "tlx_shapes.h"
#include "tlx_utf8.h"

#define SEND_AT_EARLIEST_S (5 * 60)
#define SEND_AT_LATEST_S (5 * 24 * 3600)
/* Our clock and the service's differ: what is borderline is left for the service to judge. */
#define CLOCK_TOLERANCE_S 60

typedef struct check {
  const tlx_message *message;
  double now_s;
  tlx_violations *violations;
} check;

static const tlx_value *value_of(const check *c, tlx_field field) {
  return &c->message->fields[field];
}

static tlx_pointer pointer_to(tlx_field field) {
  const char *name = tlx_field_names[field];
  return tlx_pointer_to("", (tlx_str){ name, strlen(name) });
}

static bool has(const check *c, tlx_field field) {
  return c->message->fields[field].type != TLX_TYPE_ABSENT;
}

static bool is_string(const check *c, tlx_field field) {
  return c->message->fields[field].type == TLX_TYPE_STRING;
}

static bool equals(const tlx_message *message, tlx_field field, tlx_str expected) {
  const tlx_value *value = &message->fields[field];
  return value->type == TLX_TYPE_STRING && tlx_str_eq(value->str, expected);
}

bool tlx_message_is_sms(const tlx_message *message) {
  if (equals(message, TLX_FIELD_type, TLX_STR("SMS"))) return true;
  return message->fields[TLX_FIELD_type].type == TLX_TYPE_ABSENT &&
         message->fields[TLX_FIELD_subject].type == TLX_TYPE_ABSENT &&
         message->fields[TLX_FIELD_media_urls].type == TLX_TYPE_ABSENT;
}

static void check_strangers(check *c) {
  const tlx_message *m = c->message;
  for (size_t i = 0; i < m->n_strangers && i < TLX_MAX_STRANGERS; i++) {
    tlx_str name = m->strangers[i];
    const char *near = tlx_nearest(name, tlx_field_names, TLX_N_FIELDS);
    tlx_violations_add(c->violations, "10015", tlx_pointer_to("", name).text,
                       "unknown field %s%s%s%s", tlx_quote(name).text,
                       near ? "; did you mean '" : "", near ? near : "",
                       near ? "'?" : "; a field newer than this library goes into 'extra'");
  }
  if (m->n_strangers > TLX_MAX_STRANGERS) {
    tlx_violations_add(c->violations, "10015", "", "%u more unknown fields",
                       (unsigned)(m->n_strangers - TLX_MAX_STRANGERS));
  }
}

static const char *type_name(tlx_type type) {
  switch (type) {
    case TLX_TYPE_BOOLEAN:
      return "true or false";
    case TLX_TYPE_LIST:
      return "a list of strings";
    default:
      return "a string";
  }
}

static void check_type(check *c, tlx_field field) {
  const tlx_value *value = value_of(c, field);
  if (value->type == TLX_TYPE_ABSENT || value->type == tlx_field_type(field)) return;
  if (field == TLX_FIELD_to && value->type == TLX_TYPE_LIST) return;
  const char *given = value->type == TLX_TYPE_STRING ? "a string" : value->given;
  tlx_violations_add(c->violations, "10026", pointer_to(field).text, "'%s' must be %s, got %s",
                     tlx_field_names[field], type_name(tlx_field_type(field)), given);
}

static void check_utf8(check *c, tlx_field field) {
  if (!is_string(c, field)) return;
  tlx_str s = value_of(c, field)->str;
  size_t good = tlx_utf8_valid_prefix(s);
  if (good == s.n) return;
  tlx_violations_add(c->violations, "10028", pointer_to(field).text,
                     "'%s' is not valid UTF-8: byte %lu is 0x%02X", tlx_field_names[field],
                     (unsigned long)good + 1, (unsigned)(unsigned char)s.p[good]);
}

static void check_every_field(check *c) {
  for (int field = 0; field < TLX_N_FIELDS; field++) {
    check_type(c, (tlx_field)field);
    check_utf8(c, (tlx_field)field);
  }
}

static void check_to(check *c) {
  const tlx_value *to = value_of(c, TLX_FIELD_to);
  if (to->type == TLX_TYPE_ABSENT) {
    tlx_violations_add(c->violations, "10004", "/to",
                       "'to' is required: the recipient's number, such as \"+18665550001\"");
  } else if (to->type == TLX_TYPE_LIST) {
    tlx_violations_add(c->violations, "40310", "/to",
                       "'to' is a table: one recipient per call, as a string; send once for each");
  } else if (to->type == TLX_TYPE_STRING && !tlx_is_e164(to->str) && !tlx_is_short_code(to->str)) {
    tlx_violations_add(c->violations, "40310", "/to",
                       "'to' must be + and 7 to 15 digits not starting with 0, or a short code of "
                       "5 or 6 digits, got %s",
                       tlx_quote(to->str).text);
  }
}

static void check_alphanumeric_use(check *c) {
  if (!has(c, TLX_FIELD_messaging_profile_id)) {
    tlx_violations_add(c->violations, "10004", "/messaging_profile_id",
                       "'messaging_profile_id' is required when 'from' is alphanumeric");
  }
  if (has(c, TLX_FIELD_media_urls) || has(c, TLX_FIELD_subject) ||
      equals(c->message, TLX_FIELD_type, TLX_STR("MMS"))) {
    tlx_violations_add(c->violations, "40308", "/from",
                       "an alphanumeric 'from' cannot send MMS: leave out 'media_urls', 'subject' "
                       "and type = \"MMS\", or send from a number");
  }
}

static void check_from(check *c) {
  if (!has(c, TLX_FIELD_from)) {
    if (has(c, TLX_FIELD_messaging_profile_id)) return;
    tlx_violations_add(c->violations, "10004", "/from",
                       "'from' or 'messaging_profile_id' is required: a sender, or the profile "
                       "whose number pool picks one");
    return;
  }
  if (!is_string(c, TLX_FIELD_from)) return;
  tlx_str from = value_of(c, TLX_FIELD_from)->str;
  if (tlx_is_e164(from) || tlx_is_short_code(from)) return;
  if (tlx_is_alphanumeric_sender(from)) {
    check_alphanumeric_use(c);
  } else if (tlx_has_letter(from)) {
    tlx_violations_add(c->violations, "40325", "/from",
                       "an alphanumeric 'from' must be 1 to 11 letters, digits and spaces, with at "
                       "least one letter, got %s",
                       tlx_quote(from).text);
  } else {
    tlx_violations_add(c->violations, "40305", "/from",
                       "'from' must be + and 7 to 15 digits not starting with 0, a short code of 5 "
                       "or 6 digits, or an alphanumeric sender, got %s",
                       tlx_quote(from).text);
  }
}

static void check_profile_id(check *c) {
  if (!is_string(c, TLX_FIELD_messaging_profile_id)) return;
  tlx_str id = value_of(c, TLX_FIELD_messaging_profile_id)->str;
  if (tlx_is_uuid(id)) return;
  tlx_violations_add(c->violations, "10006", "/messaging_profile_id",
                     "'messaging_profile_id' must be a UUID such as "
                     "\"3fa85f64-5717-4562-b3fc-2c963f66afa6\", got %s",
                     tlx_quote(id).text);
}

static tlx_encoding asked_encoding(const check *c) {
  if (equals(c->message, TLX_FIELD_encoding, TLX_STR("gsm7"))) return TLX_ENCODING_GSM7;
  if (equals(c->message, TLX_FIELD_encoding, TLX_STR("ucs2"))) return TLX_ENCODING_UCS2;
  return TLX_ENCODING_AUTO;
}

static void check_gsm7(check *c, tlx_str text) {
  const tlx_segments_options options = { TLX_CHARSET_3GPP, TLX_ENCODING_GSM7, true };
  tlx_segments segments;
  if (tlx_segments_count(text, &options, &segments) != TLX_SEGMENTS_NOT_GSM7) return;
  const tlx_culprit *culprit = &segments.forced_by;
  uint32_t codepoint = 0;
  tlx_str character = { text.p + culprit->byte, 0 };
  character.n = tlx_utf8_read(character.p, text.p + text.n, &codepoint);
  tlx_violations_add(c->violations, "10015", "/text",
                     "encoding = \"gsm7\", but 'text' holds %s (U+%04lX) at byte %lu, which has no "
                     "GSM-7 form",
                     tlx_quote(character).text, (unsigned long)codepoint,
                     (unsigned long)culprit->byte + 1);
}

static void check_parts(check *c, tlx_str text) {
  enum { UNITS_OF_TEN_UCS2_PARTS = 670 };
  tlx_encoding encoding = asked_encoding(c);
  if (encoding != TLX_ENCODING_GSM7 && text.n <= UNITS_OF_TEN_UCS2_PARTS) return;
  size_t parts = tlx_segments_least(text, encoding);
  if (parts <= TLX_MAX_PARTS) return;
  tlx_violations_add(c->violations, "40302", "/text",
                     "'text' makes %lu parts or more; an SMS holds at most %d (1530 GSM-7 septets "
                     "or 670 UCS-2 units)",
                     (unsigned long)parts, TLX_MAX_PARTS);
}

static void check_text(check *c) {
  const tlx_value *text = value_of(c, TLX_FIELD_text);
  bool is_empty = text->type == TLX_TYPE_STRING && text->str.n == 0;
  if ((is_empty || text->type == TLX_TYPE_ABSENT) && !has(c, TLX_FIELD_media_urls)) {
    tlx_violations_add(c->violations, "40316", "/text",
                       "nothing to send: give 'text', 'media_urls' or both%s",
                       is_empty ? " ('text' is empty)" : "");
  } else if (is_empty) {
    tlx_violations_add(c->violations, "10025", "/text",
                       "'text' is empty: leave it out to send media alone");
  }
  if (text->type != TLX_TYPE_STRING || !tlx_message_is_sms(c->message)) return;
  if (asked_encoding(c) == TLX_ENCODING_GSM7) check_gsm7(c, text->str);
  check_parts(c, text->str);
}

static void check_sms_content(check *c) {
  static const tlx_field MMS_ONLY[] = { TLX_FIELD_subject, TLX_FIELD_media_urls };
  if (!equals(c->message, TLX_FIELD_type, TLX_STR("SMS"))) return;
  for (size_t i = 0; i < sizeof MMS_ONLY / sizeof MMS_ONLY[0]; i++) {
    if (!has(c, MMS_ONLY[i])) continue;
    tlx_violations_add(c->violations, "40304", pointer_to(MMS_ONLY[i]).text,
                       "'%s' belongs to an MMS, but type = \"SMS\"; leave one of them out",
                       tlx_field_names[MMS_ONLY[i]]);
  }
}

static void tell_url(check *c, const char *name, const char *pointer, tlx_str url) {
  tlx_violations_add(c->violations, "10003", pointer, "%s must %s, got %s", name,
                     tlx_url_fault(url), tlx_quote(url).text);
}

static bool is_well_formed(tlx_str s) {
  return tlx_utf8_valid_prefix(s) == s.n;
}

static void tell_media_item(check *c, const tlx_value *item, size_t i) {
  char name[32], pointer[32];
  snprintf(name, sizeof name, "media_urls[%u]", (unsigned)i + 1);
  snprintf(pointer, sizeof pointer, "/media_urls/%u", (unsigned)i);
  if (item->type != TLX_TYPE_STRING) {
    tlx_violations_add(c->violations, "10026", pointer, "%s must be a string, got %s", name,
                       item->given);
  } else if (!is_well_formed(item->str)) {
    tlx_violations_add(c->violations, "10028", pointer, "%s is not valid UTF-8", name);
  } else {
    tell_url(c, name, pointer, item->str);
  }
}

static void check_media_item(check *c, const tlx_value *item, size_t i) {
  bool is_good =
      item->type == TLX_TYPE_STRING && is_well_formed(item->str) && !tlx_url_fault(item->str);
  if (!is_good) tell_media_item(c, item, i);
}

static void check_media(check *c) {
  const tlx_list *list = &c->message->media_urls;
  if (value_of(c, TLX_FIELD_media_urls)->type != TLX_TYPE_LIST) return;
  if (list->n == 0) {
    tlx_violations_add(c->violations, "40317", "/media_urls",
                       "'media_urls' is empty: leave it out, or the service makes an MMS of it");
  } else if (!list->is_sequence) {
    tlx_violations_add(c->violations, "10026", "/media_urls",
                       "'media_urls' must be a plain list, with keys 1 to n and no holes");
  } else if (list->n > TLX_MAX_MEDIA) {
    tlx_violations_add(c->violations, "40317", "/media_urls",
                       "'media_urls' has %lu entries; an MMS holds at most %d",
                       (unsigned long)list->n, TLX_MAX_MEDIA);
  } else {
    for (size_t i = 0; i < list->n; i++) check_media_item(c, &list->items[i], i);
  }
}

static void check_webhooks(check *c) {
  static const tlx_field URLS[] = { TLX_FIELD_webhook_url, TLX_FIELD_webhook_failover_url };
  for (size_t i = 0; i < sizeof URLS / sizeof URLS[0]; i++) {
    if (!is_string(c, URLS[i]) || !tlx_url_fault(value_of(c, URLS[i])->str)) continue;
    char name[32];
    snprintf(name, sizeof name, "'%s'", tlx_field_names[URLS[i]]);
    tell_url(c, name, pointer_to(URLS[i]).text, value_of(c, URLS[i])->str);
  }
}

static void check_choice(check *c, tlx_field field, const char *const choices[],
                         const char *words) {
  if (!is_string(c, field)) return;
  for (size_t i = 0; choices[i]; i++) {
    if (equals(c->message, field, (tlx_str){ choices[i], strlen(choices[i]) })) return;
  }
  tlx_violations_add(c->violations, "10032", pointer_to(field).text, "'%s' must be %s, got %s",
                     tlx_field_names[field], words, tlx_quote(value_of(c, field)->str).text);
}

static void check_choices(check *c) {
  static const char *const TYPES[] = { "SMS", "MMS", NULL };
  static const char *const ENCODINGS[] = { "auto", "gsm7", "ucs2", NULL };
  check_choice(c, TLX_FIELD_type, TYPES, "\"SMS\" or \"MMS\"");
  check_choice(c, TLX_FIELD_encoding, ENCODINGS, "\"auto\", \"gsm7\" or \"ucs2\"");
}

static void check_send_at(check *c) {
  if (!is_string(c, TLX_FIELD_send_at)) return;
  tlx_str text = value_of(c, TLX_FIELD_send_at)->str;
  double at_s = 0;
  if (!tlx_parse_date_time(text, &at_s)) {
    tlx_violations_add(c->violations, "10015", "/send_at",
                       "'send_at' must be an ISO 8601 time with a zone, such as "
                       "\"2026-01-31T09:00:00Z\", got %s",
                       tlx_quote(text).text);
    return;
  }
  double ahead_s = at_s - c->now_s;
  if (ahead_s >= SEND_AT_EARLIEST_S - CLOCK_TOLERANCE_S &&
      ahead_s <= SEND_AT_LATEST_S + CLOCK_TOLERANCE_S) {
    return;
  }
  tlx_violations_add(c->violations, "10033", "/send_at",
                     "'send_at' must be 5 minutes to 5 days ahead, got %s", tlx_quote(text).text);
}

void tlx_validate(const tlx_message *message, double now_s, tlx_violations *violations) {
  check c = { message, now_s, violations };
  check_strangers(&c); /* first: a mistyped name is the cause of what else is missing */
  check_every_field(&c);
  check_to(&c);
  check_from(&c);
  check_profile_id(&c);
  check_text(&c);
  check_sms_content(&c);
  check_media(&c);
  check_webhooks(&c);
  check_choices(&c);
  check_send_at(&c);
}

#include "tlx_validate.h"

#include <string.h>

#include "tlx_check.h"
#include "tlx_utf8.h"

static unsigned bit_of(tlx_field field) {
  return 1u << field;
}

tlx_pointer tlx_check_pointer(tlx_field field) {
  const char *name = tlx_field_names[field];
  return tlx_pointer_to("", (tlx_str){ name, strlen(name) });
}

/* ---- the names of fields ---- */

static void tell_stranger(tlx_check *check, tlx_str name, const char *near) {
  tlx_pointer pointer = tlx_pointer_to("", name);
  if (near) {
    tlx_findings_add(check->findings, TLX_RULE_unknown_field, pointer.text,
                     "%s is no field of a message; did you mean '%s'?", tlx_quote(name).text, near);
  } else {
    tlx_findings_add(check->findings, TLX_RULE_unknown_field, pointer.text,
                     "%s is no field of a message; one newer than this library goes into 'extra'",
                     tlx_quote(name).text);
  }
}

static void check_strangers(tlx_check *check) {
  const tlx_message *message = check->message;
  for (size_t i = 0; i < message->n_strangers && i < TLX_MAX_STRANGERS; i++) {
    tlx_str name = message->strangers[i];
    const char *near = tlx_nearest(name, tlx_field_names, TLX_N_FIELDS);
    if (near) check->meant |= bit_of(tlx_field_named((tlx_str){ near, strlen(near) }));
    tell_stranger(check, name, near);
  }
  if (message->n_strangers > TLX_MAX_STRANGERS) {
    tlx_findings_add(check->findings, TLX_RULE_unknown_field, "", "%u more unknown fields",
                     (unsigned)(message->n_strangers - TLX_MAX_STRANGERS));
  }
}

/* ---- types ---- */

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

static bool may_be_null(tlx_field field) {
  return field == TLX_FIELD_send_at || field == TLX_FIELD_webhook_url ||
         field == TLX_FIELD_webhook_failover_url;
}

static void tell_type(tlx_check *check, tlx_field field) {
  const tlx_value *value = &check->message->fields[field];
  if (field == TLX_FIELD_to && value->type == TLX_TYPE_LIST) {
    tlx_findings_add(check->findings, TLX_RULE_to_list, "/to",
                     "'to' is a table: one recipient per call, as a string");
    return;
  }
  if (value->type == TLX_TYPE_NULL && may_be_null(field)) return;
  const char *given = value->type == TLX_TYPE_STRING ? "a string" : value->given;
  tlx_findings_add(check->findings, TLX_RULE_value_type, tlx_check_pointer(field).text,
                   "'%s' must be %s, got %s", tlx_field_names[field],
                   type_name(tlx_field_type(field)), given);
}

static void tell_utf8(tlx_check *check, tlx_field field, size_t n_good) {
  tlx_str s = tlx_check_string(check, field);
  tlx_findings_add(check->findings, TLX_RULE_not_utf8, tlx_check_pointer(field).text,
                   "'%s' is not valid UTF-8: byte %lu is 0x%02X", tlx_field_names[field],
                   (unsigned long)n_good + 1, (unsigned)(unsigned char)s.p[n_good]);
}

static void check_field(tlx_check *check, tlx_field field) {
  const tlx_value *value = &check->message->fields[field];
  size_t n_good = 0;
  if (value->type != tlx_field_type(field)) {
    tell_type(check, field);
  } else if (value->type == TLX_TYPE_STRING &&
             (n_good = tlx_utf8_valid_prefix(value->str)) < value->str.n) {
    tell_utf8(check, field, n_good);
  } else {
    check->usable |= bit_of(field);
  }
}

static void check_fields(tlx_check *check) {
  for (int field = 0; field < TLX_N_FIELDS; field++) {
    if (tlx_check_has(check, (tlx_field)field)) check_field(check, (tlx_field)field);
  }
}

/* ---- SMS or MMS ---- */

/* That there are media is known of a list that is one. */
static bool has_media(const tlx_check *check) {
  const tlx_list *media = &check->message->media_urls;
  return tlx_check_is_usable(check, TLX_FIELD_media_urls) && media->is_sequence && media->n > 0;
}

/* As the service takes it: by `type`, or else by whether it has media or a subject. Of an empty
 * list of media its pages say an MMS, and a reply said SMS. */
static void find_kind(tlx_check *check) {
  if (tlx_check_has(check, TLX_FIELD_type)) {
    check->is_sms = tlx_message_says(check->message, TLX_FIELD_type, TLX_STR("SMS"));
    check->is_mms = tlx_message_says(check->message, TLX_FIELD_type, TLX_STR("MMS"));
  } else {
    check->is_sms =
        !tlx_check_has(check, TLX_FIELD_subject) && !tlx_check_has(check, TLX_FIELD_media_urls);
    check->is_mms = tlx_check_is_usable(check, TLX_FIELD_subject) || has_media(check);
  }
}

/* ---- values out of a list ---- */

bool tlx_check_is_encoding_known(const tlx_check *check) {
  const tlx_message *message = check->message;
  return !tlx_check_has(check, TLX_FIELD_encoding) ||
         tlx_message_says(message, TLX_FIELD_encoding, TLX_STR("auto")) ||
         tlx_message_says(message, TLX_FIELD_encoding, TLX_STR("gsm7")) ||
         tlx_message_says(message, TLX_FIELD_encoding, TLX_STR("ucs2"));
}

static void check_choices(tlx_check *check) {
  if (tlx_check_is_usable(check, TLX_FIELD_type) && !check->is_sms && !check->is_mms) {
    tlx_findings_add(check->findings, TLX_RULE_type_choice, "/type",
                     "'type' must be \"SMS\" or \"MMS\", got %s",
                     tlx_quote(tlx_check_string(check, TLX_FIELD_type)).text);
  }
  if (tlx_check_is_usable(check, TLX_FIELD_encoding) && !tlx_check_is_encoding_known(check)) {
    tlx_findings_add(check->findings, TLX_RULE_encoding_choice, "/encoding",
                     "'encoding' must be \"auto\", \"gsm7\" or \"ucs2\", got %s",
                     tlx_quote(tlx_check_string(check, TLX_FIELD_encoding)).text);
  }
}

void tlx_validate(const tlx_message *message, double now_s, tlx_findings *findings) {
  tlx_check check = { .message = message, .now_s = now_s, .findings = findings };
  check_strangers(&check); /* first: a mistyped name is the cause of what else is missing */
  check_fields(&check);
  find_kind(&check);
  tlx_check_addresses(&check);
  tlx_check_text(&check);
  tlx_check_media(&check);
  tlx_check_webhooks(&check);
  check_choices(&check);
  tlx_check_time(&check);
}

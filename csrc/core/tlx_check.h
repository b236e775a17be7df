/*
 * What the files of validation share. Internal to it: each looks at the fields of one kind, and
 * leaves alone those of which something is known to be wrong already: one fault, one finding.
 */
#ifndef TLX_CHECK_H
#define TLX_CHECK_H

#include "tlx.h"
#include "tlx_findings.h"
#include "tlx_message.h"
#include "tlx_quote.h"

typedef struct tlx_check {
  const tlx_message *message;
  double now_s;
  tlx_findings *findings;
  bool is_sms, is_mms; /* as the service takes it; neither, where that is not known */
  unsigned usable;     /* a bit for each field that is there, of its type and of UTF-8 */
  unsigned meant;      /* … that an unknown field is probably a slip for */
} tlx_check;

/* It is there, whatever it holds. */
static inline bool tlx_check_has(const tlx_check *check, tlx_field field) {
  return check->message->fields[field].type != TLX_TYPE_ABSENT;
}

/* It is there and may be looked at. */
static inline bool tlx_check_is_usable(const tlx_check *check, tlx_field field) {
  return (check->usable & 1u << field) != 0;
}

/* Neither it, nor what is probably a slip for it. */
static inline bool tlx_check_lacks(const tlx_check *check, tlx_field field) {
  return !tlx_check_has(check, field) && (check->meant & 1u << field) == 0;
}

/* The string of a usable field. */
static inline tlx_str tlx_check_string(const tlx_check *check, tlx_field field) {
  return check->message->fields[field].str;
}

/* `encoding` is not there, or one of those that are. */
bool tlx_check_is_encoding_known(const tlx_check *check);

/* The JSON pointer to a field. */
tlx_pointer tlx_check_pointer(tlx_field field);

/* tlx_check_addresses.c: to, from, messaging_profile_id. */
void tlx_check_addresses(tlx_check *check);

/* tlx_check_text.c: text, what it costs and whether it can be encoded. */
void tlx_check_text(tlx_check *check);

/* tlx_check_media.c: media_urls, subject, webhook URLs. */
void tlx_check_media(tlx_check *check);
void tlx_check_webhooks(tlx_check *check);

/* tlx_check_time.c: send_at. */
void tlx_check_time(tlx_check *check);

#endif

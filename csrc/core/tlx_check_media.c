#include "tlx_check.h"

#include <stdio.h>

#include "tlx_url.h"
#include "tlx_utf8.h"

#define MAX_URL_CHARACTERS 2000

/* ---- URLs ---- */

/* How a finding speaks of one. */
typedef struct place {
  char name[32], pointer[32];
} place;

static place place_of_field(tlx_field field) {
  place at;
  snprintf(at.name, sizeof at.name, "'%s'", tlx_field_names[field]);
  snprintf(at.pointer, sizeof at.pointer, "/%s", tlx_field_names[field]);
  return at;
}

static place place_of_item(size_t i) {
  place at;
  snprintf(at.name, sizeof at.name, "media_urls[%u]", (unsigned)i + 1);
  snprintf(at.pointer, sizeof at.pointer, "/media_urls/%u", (unsigned)i);
  return at;
}

static bool is_too_long(tlx_str url) {
  return url.n > MAX_URL_CHARACTERS && tlx_utf8_characters(url) > MAX_URL_CHARACTERS;
}

/* It is not shown where there may be a password in it. */
static void tell_url(tlx_check *check, tlx_rule_id rule, const place *at, const char *fault,
                     tlx_str url) {
  bool may_hold_secret = false;
  for (size_t i = 0; i < url.n && !may_hold_secret; i++) may_hold_secret = url.p[i] == '@';
  if (may_hold_secret) {
    tlx_findings_add(check->findings, rule, at->pointer, "%s must %s", at->name, fault);
  } else {
    tlx_findings_add(check->findings, rule, at->pointer, "%s must %s, got %s", at->name, fault,
                     tlx_quote(url).text);
  }
}

/* `fault` is NULL when it could be taken apart. */
static void tell_of_url(tlx_check *check, const place *at, tlx_str text, const char *fault,
                        const tlx_url *url) {
  if (is_too_long(text)) {
    tlx_findings_add(check->findings, TLX_RULE_url_length, at->pointer,
                     "%s must be at most %d characters long, got %lu", at->name, MAX_URL_CHARACTERS,
                     (unsigned long)tlx_utf8_characters(text));
  } else if (fault) {
    tell_url(check, TLX_RULE_url_shape, at, fault, text);
  } else {
    tlx_findings_add(check->findings, TLX_RULE_url_private, at->pointer,
                     "%s names %s, which the service cannot reach", at->name,
                     tlx_quote(url->host).text);
  }
}

/* Whether there is something to be said of it. */
static bool is_remarkable(tlx_str text, const char **fault, tlx_url *url) {
  *fault = tlx_url_parse(text, url);
  return *fault || is_too_long(text) || tlx_host_is_private(url->host);
}

/* ---- media ---- */

static void tell_odd_item(tlx_check *check, const tlx_value *item, size_t i) {
  place at = place_of_item(i);
  if (item->type != TLX_TYPE_STRING) {
    tlx_findings_add(check->findings, TLX_RULE_value_type, at.pointer,
                     "%s must be a string, got %s", at.name, item->given);
  } else {
    tlx_findings_add(check->findings, TLX_RULE_not_utf8, at.pointer, "%s is not valid UTF-8",
                     at.name);
  }
}

static void check_item(tlx_check *check, const tlx_value *item, size_t i) {
  const char *fault = NULL;
  tlx_url url;
  if (item->type != TLX_TYPE_STRING || tlx_utf8_valid_prefix(item->str) < item->str.n) {
    tell_odd_item(check, item, i);
  } else if (is_remarkable(item->str, &fault, &url)) {
    place at = place_of_item(i);
    tell_of_url(check, &at, item->str, fault, &url);
  }
}

/* An empty one without a text is a message without content. */
static bool has_text(const tlx_check *check) {
  return tlx_check_has(check, TLX_FIELD_text) && (!tlx_check_is_usable(check, TLX_FIELD_text) ||
                                                  tlx_check_string(check, TLX_FIELD_text).n > 0);
}

static void check_list(tlx_check *check) {
  const tlx_list *list = &check->message->media_urls;
  if (list->n == 0) {
    if (!has_text(check)) return;
    tlx_findings_add(check->findings, TLX_RULE_media_empty, "/media_urls",
                     "'media_urls' is empty: leave it out, or the service may make an MMS of it");
  } else if (!list->is_sequence) {
    tlx_findings_add(check->findings, TLX_RULE_media_list, "/media_urls",
                     "'media_urls' must be a plain list, with keys 1 to n and no holes");
  } else if (list->n > TLX_MAX_MEDIA) {
    tlx_findings_add(check->findings, TLX_RULE_media_count, "/media_urls",
                     "'media_urls' has %lu entries; an MMS holds at most %d",
                     (unsigned long)list->n, TLX_MAX_MEDIA);
  } else {
    for (size_t i = 0; i < list->n; i++) check_item(check, &list->items[i], i);
  }
}

static void check_sms_content(tlx_check *check, tlx_field field, tlx_rule_id rule) {
  if (!tlx_check_is_usable(check, field)) return;
  place at = place_of_field(field);
  tlx_findings_add(check->findings, rule, at.pointer,
                   "%s belongs to an MMS, but type = \"SMS\"; leave one of them out", at.name);
}

void tlx_check_media(tlx_check *check) {
  bool is_usable = tlx_check_is_usable(check, TLX_FIELD_media_urls);
  const tlx_list *list = &check->message->media_urls;
  if (check->is_sms && tlx_check_has(check, TLX_FIELD_type)) {
    check_sms_content(check, TLX_FIELD_subject, TLX_RULE_sms_with_subject);
    if (is_usable && list->n > 0 && list->is_sequence) {
      check_sms_content(check, TLX_FIELD_media_urls, TLX_RULE_sms_with_media);
    }
  }
  if (is_usable) check_list(check);
}

/* ---- webhooks ---- */

static void check_webhook(tlx_check *check, tlx_field field) {
  const tlx_value *value = &check->message->fields[field];
  if (value->type == TLX_TYPE_ABSENT) return;
  const char *fault = NULL;
  tlx_url url;
  bool is_empty = value->type == TLX_TYPE_STRING && value->str.n == 0;
  if (is_empty || value->type == TLX_TYPE_NULL) {
    place at = place_of_field(field);
    tlx_findings_add(check->findings, TLX_RULE_url_empty, at.pointer,
                     "%s is %s: the message is sent without it", at.name,
                     is_empty ? "empty" : "null");
  } else if (tlx_check_is_usable(check, field) && is_remarkable(value->str, &fault, &url)) {
    place at = place_of_field(field);
    tell_of_url(check, &at, value->str, fault, &url);
  }
}

void tlx_check_webhooks(tlx_check *check) {
  check_webhook(check, TLX_FIELD_webhook_url);
  check_webhook(check, TLX_FIELD_webhook_failover_url);
}

/*
 * A libFuzzer target: any message under any policy, and any bytes for a URL, judged by what must
 * hold whatever they are.
 *
 *   make fuzz-validate FUZZ_SECONDS=60
 *
 * The first byte of an input picks the policy; then come the fields, one after the other, with
 * FIELD_END between: a kind, and the bytes of a string. Media have ITEM_END between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "tlx_endpoint.h"
#include "tlx_number.h"
#include "tlx_quote.h"
#include "tlx_sender.h"
#include "tlx_url.h"
#include "tlx_utf8.h"
#include "tlx_validate.h"

#define FIELD_END '\x1E'
#define ITEM_END '\x1F'
#define NOW_S 1704067200.0

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The message -----------------------------------------------------------------------------------
 */

static tlx_str take(tlx_str *rest, char end) {
  const char *at = rest->n ? memchr(rest->p, end, rest->n) : NULL;
  tlx_str piece = { rest->p, at ? (size_t)(at - rest->p) : rest->n };
  size_t n = at ? piece.n + 1 : piece.n;
  *rest = (tlx_str){ rest->p + n, rest->n - n };
  return piece;
}

static tlx_value value_of(tlx_str piece) {
  tlx_value value = { TLX_TYPE_ABSENT, { NULL, 0 }, "what was given" };
  if (piece.n == 0) return value;
  switch (piece.p[0]) {
    case 'b':
      value.type = TLX_TYPE_BOOLEAN;
      return value;
    case 'l':
      value.type = TLX_TYPE_LIST;
      return value;
    case 'n':
      value.type = TLX_TYPE_NULL;
      return value;
    case 'o':
      value.type = TLX_TYPE_OTHER;
      return value;
    default:
      value.type = TLX_TYPE_STRING;
      value.str = (tlx_str){ piece.p + 1, piece.n - 1 };
      return value;
  }
}

static void read_media(tlx_str rest, tlx_list *list) {
  list->n = 0;
  list->is_sequence = true;
  while (rest.n > 0) {
    tlx_value item = value_of(take(&rest, ITEM_END));
    if (item.type == TLX_TYPE_ABSENT) list->is_sequence = false;
    if (list->n < TLX_MAX_MEDIA) list->items[list->n] = item;
    list->n++;
  }
}

static void read_message(tlx_str rest, tlx_message *message) {
  tlx_message_start(message);
  for (int field = 0; field < TLX_N_FIELDS && rest.n > 0; field++) {
    tlx_str piece = take(&rest, FIELD_END);
    tlx_value *value = &message->fields[field];
    *value = value_of(piece);
    if (field == TLX_FIELD_media_urls && value->type == TLX_TYPE_LIST) {
      read_media((tlx_str){ piece.p + 1, piece.n - 1 }, &message->media_urls);
    }
  }
  while (rest.n > 0) {
    tlx_str name = take(&rest, FIELD_END);
    if (message->n_strangers < TLX_MAX_STRANGERS) message->strangers[message->n_strangers] = name;
    message->n_strangers++;
  }
}

/* What must hold --------------------------------------------------------------------------------
 */

static void check_words(const char *words) {
  tlx_str s = { words, strlen(words) };
  for (size_t i = 0; i < s.n; i++) EXPECT((unsigned char)s.p[i] >= ' ' && s.p[i] != 0x7F);
}

static void check_finding(const tlx_finding *finding) {
  EXPECT(finding->rule < TLX_N_RULES);
  EXPECT(finding->pointer[0] == '\0' || finding->pointer[0] == '/');
  EXPECT(strlen(finding->pointer) < sizeof finding->pointer);
  EXPECT(finding->detail[0] != '\0');
  check_words(finding->detail);
  check_words(finding->pointer);
}

static void judge(const tlx_message *message, tlx_policy policy, tlx_findings *findings) {
  tlx_findings_start(findings, policy);
  tlx_validate(message, NOW_S, findings);
  size_t n_refused = 0, n = tlx_findings_kept(findings);
  for (size_t i = 0; i < n; i++) {
    check_finding(&findings->list[i]);
    if (findings->list[i].ruling == TLX_REFUSED) n_refused++;
  }
  EXPECT(findings->n > TLX_MAX_FINDINGS || n_refused == findings->n_refused);
}

/* The same is found under each policy; only what becomes of it differs. */
static void check_policies(const tlx_message *message, uint8_t choice) {
  static tlx_findings plain, strict, judged, one;
  tlx_policy accept_one = { 0, false };
  tlx_policy_accept(&accept_one, (tlx_rule_id)(choice % TLX_N_RULES));
  judge(message, (tlx_policy){ 0, false }, &plain);
  judge(message, (tlx_policy){ 0, true }, &strict);
  judge(message, tlx_policy_of_judged(), &judged);
  judge(message, accept_one, &one);
  EXPECT(plain.n == strict.n && plain.n == judged.n && plain.n == one.n);
  EXPECT(strict.n_refused == strict.n && judged.n_refused <= plain.n_refused);
  for (size_t i = 0; i < tlx_findings_kept(&plain) && plain.n <= TLX_MAX_FINDINGS; i++) {
    const tlx_rule *rule = &tlx_rules[plain.list[i].rule];
    bool is_chosen = plain.list[i].rule == (tlx_rule_id)(choice % TLX_N_RULES);
    EXPECT((plain.list[i].ruling == TLX_WARNED) == rule->is_warning);
    EXPECT((judged.list[i].ruling == TLX_REFUSED) == (!rule->is_warning && !rule->has_way_out));
    EXPECT((one.list[i].ruling == TLX_LET_THROUGH) ==
           (is_chosen && rule->has_way_out && !rule->is_warning));
  }
}

/* A URL -----------------------------------------------------------------------------------------
 */

static bool is_within(tlx_str part, tlx_str whole) {
  return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* With a user in front, it is read another way, and to the same end. */
static void check_with_user(tlx_str text, const tlx_url *url, bool is_right) {
  size_t n_scheme = text.p[4] == ':' ? 7 : 8;
  char *room = malloc(text.n + 2);
  if (!room) abort();
  memcpy(room, text.p, n_scheme);
  memcpy(room + n_scheme, "u@", 2);
  memcpy(room + n_scheme + 2, text.p + n_scheme, text.n - n_scheme);
  tlx_url other;
  bool is_other_right = tlx_url_parse((tlx_str){ room, text.n + 2 }, &other) == NULL;
  EXPECT(is_right == is_other_right);
  if (is_right) {
    EXPECT(tlx_str_eq(url->host, other.host) && tlx_str_eq(url->rest, other.rest));
    EXPECT(tlx_url_port(url) == tlx_url_port(&other) && other.has_user);
  }
  free(room);
}

static bool begins_with(tlx_str s, const char *words) {
  return s.n >= strlen(words) && memcmp(s.p, words, strlen(words)) == 0;
}

static void check_url(tlx_str text) {
  tlx_url url;
  bool is_right = tlx_url_parse(text, &url) == NULL;
  if (begins_with(text, "http://") || begins_with(text, "https://")) {
    check_with_user(text, &url, is_right);
  }
  if (!is_right) return;
  EXPECT(url.host.n > 0 && is_within(url.host, text) && is_within(url.rest, text));
  EXPECT(tlx_url_port(&url) >= 1 && tlx_url_port(&url) <= 65535);
  EXPECT(!tlx_host_is_loopback(url.host) || tlx_host_is_private(url.host));
  for (size_t i = 0; i < text.n; i++) {
    unsigned char byte = (unsigned char)text.p[i];
    EXPECT(byte > ' ' && byte != 0x7F && byte != '"' && byte != '\\');
  }
}

/* ------------------------------------------------------------------------------------------------
 */

static void check_string(tlx_str s) {
  tlx_endpoint endpoint;
  check_url(s);
  if (tlx_endpoint_parse(s, true, &endpoint) == NULL) EXPECT(endpoint.port > 0);
  EXPECT(!tlx_is_uuid(s) || s.n == 36);
  EXPECT(tlx_sender_kind_of(s) < TLX_N_SENDER_KINDS);
  if (!tlx_is_e164(s)) return;
  EXPECT(s.n >= 8 && s.n <= 16 && tlx_is_digits((tlx_str){ s.p + 1, s.n - 1 }, 7, 15));
  EXPECT(!tlx_is_toll_free(s) || tlx_is_us_or_canada(s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static tlx_message message;
  if (size == 0) return 0;
  tlx_str input = { (const char *)data + 1, size - 1 };
  read_message(input, &message);
  check_policies(&message, data[0]);
  check_string(input);
  for (int field = 0; field < TLX_N_FIELDS; field++) {
    if (message.fields[field].type == TLX_TYPE_STRING) check_string(message.fields[field].str);
  }
  return 0;
}

#include "tlx_reply.h"

#include <string.h>

#include "tlx_date_time.h"

#define LEAST_EPOCH_S 1e9
#define LEAST_EPOCH_MS 1e12

const char *tlx_outcome_name(tlx_outcome outcome) {
  static const char *const names[] = { "not_sent", "rejected", "unknown", "accepted" };
  return names[outcome];
}

const char *tlx_kind_name(tlx_kind kind) {
  static const char *const names[] = {
    NULL, "invalid", "connection", "timeout", "api", "protocol"
  };
  return names[kind];
}

static tlx_str trim(tlx_str s) {
  while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) s = (tlx_str){ s.p + 1, s.n - 1 };
  while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
  return s;
}

/* Where each header that is read goes. */
static const struct place {
  tlx_str name;
  size_t offset, size;
} PLACES[] = {
#define XX(field, name, room) { { name, sizeof(name) - 1 }, offsetof(tlx_reply, field), room },
  TLX_REPLY_HEADERS(XX)
#undef XX
};

static char *room_of(tlx_reply *reply, tlx_reply_field field) {
  return (char *)reply + PLACES[field].offset;
}

/* By length and first letter: most headers are none of these. */
static tlx_reply_field field_named(tlx_str name) {
  int field = 0;
  for (; field < TLX_N_REPLY_FIELDS; field++) {
    tlx_str known = PLACES[field].name;
    if (known.n != name.n || (name.p[0] | 0x20) != known.p[0]) continue;
    if (tlx_str_eq_nocase(known, name)) break;
  }
  return (tlx_reply_field)field;
}

tlx_reply_field tlx_reply_header(tlx_reply *reply, tlx_str name, tlx_str value) {
  tlx_reply_field field = field_named(name);
  if (field == TLX_N_REPLY_FIELDS) return field;
  char *room = room_of(reply, field);
  if (field == TLX_REPLY_limit && *room) return field;
  value = trim(value);
  if (value.n >= PLACES[field].size) value.n = 0;
  if (value.n) memcpy(room, value.p, value.n);
  room[value.n] = '\0';
  return field;
}

void tlx_reply_forget(tlx_reply *reply, tlx_reply_field field) {
  *room_of(reply, field) = '\0';
}

bool tlx_is_final_status(int status) {
  return status >= 200 && status <= 599;
}

/* A plain decimal number, as strtod would read it whatever the locale; or TLX_NOT_NAMED. */
static double number_of(tlx_str text) {
  double value = 0, scale = 1;
  bool has_point = false;
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    if (c == '.' && !has_point && i > 0) {
      has_point = true;
    } else if (c >= '0' && c <= '9') {
      value = value * 10 + (c - '0');
      if (has_point) scale *= 10;
    } else {
      return TLX_NOT_NAMED;
    }
  }
  return text.n ? value / scale : TLX_NOT_NAMED;
}

static double number(const char *text) {
  return number_of((tlx_str){ text, strlen(text) });
}

/* The first of a list, without what is said of it. */
static double first_number(const char *list) {
  return number_of(trim((tlx_str){ list, strcspn(list, ",;") }));
}

/* By the service's own clock, if it says what that shows. */
static double until(double moment_s, const tlx_reply *reply, double now_s) {
  double here_s;
  if (tlx_parse_http_date(reply->date, &here_s)) now_s = here_s;
  return moment_s > now_s ? moment_s - now_s : 0;
}

static double retry_after_s(const tlx_reply *reply, double now_s) {
  double ms = number(reply->retry_after_ms);
  if (ms >= 0) return ms / 1000;
  double moment_s;
  if (tlx_parse_http_date(reply->retry_after, &moment_s)) {
    return until(moment_s, reply, now_s);
  }
  return number(reply->retry_after);
}

static double reset_s(const tlx_reply *reply, double now_s) {
  double value = number(reply->reset);
  if (value >= LEAST_EPOCH_MS) value /= 1000;
  return value >= LEAST_EPOCH_S ? until(value, reply, now_s) : value;
}

static tlx_outcome outcome_of_status(int status) {
  if (status >= 200 && status <= 299) return TLX_OUTCOME_ACCEPTED;
  /* Request Timeout and Conflict do not say that the request had no effect. */
  if (status == 408 || status == 409 || status >= 500) return TLX_OUTCOME_UNKNOWN;
  return TLX_OUTCOME_REJECTED;
}

static void read_waits(tlx_verdict *verdict, const tlx_reply *reply, double now_s) {
  verdict->retry_after_s = retry_after_s(reply, now_s);
  verdict->limit = first_number(reply->limit);
  verdict->remaining = number(reply->remaining);
  verdict->reset_s = reset_s(reply, now_s);
}

tlx_verdict tlx_judge(const tlx_carriage *carriage, const tlx_reply *reply, double now_s) {
  tlx_verdict verdict = { .kind = carriage->failure };
  read_waits(&verdict, reply, now_s);
  bool has_begun = carriage->begun || reply->status > 0; /* whatever a transport says */
  if (!has_begun) {
    verdict.outcome = TLX_OUTCOME_NOT_SENT;
    verdict.is_retryable = true;
  } else if (tlx_is_final_status(reply->status)) {
    verdict.outcome = outcome_of_status(reply->status);
    verdict.is_retryable = reply->status == 429;
    bool is_redirect = reply->status >= 300 && reply->status <= 399;
    if (is_redirect) verdict.kind = TLX_KIND_PROTOCOL;
  } else {
    verdict.outcome = TLX_OUTCOME_UNKNOWN;
    if (carriage->whole) verdict.kind = TLX_KIND_PROTOCOL;
  }
  return verdict;
}

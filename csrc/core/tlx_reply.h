/*
 * What became of a message: from how far its carriage came and what the service answered, to one of
 * four outcomes. Used by every transport; nothing here does I/O, reads a clock or knows JSON.
 */
#ifndef TLX_REPLY_H
#define TLX_REPLY_H

#include "tlx.h"

typedef enum tlx_outcome {
  TLX_OUTCOME_NOT_SENT, /* no byte of the request left the machine */
  TLX_OUTCOME_REJECTED, /* the service refused it */
  TLX_OUTCOME_UNKNOWN,  /* it may or may not have been accepted */
  TLX_OUTCOME_ACCEPTED  /* the service said 2xx */
} tlx_outcome;

typedef enum tlx_kind {
  TLX_KIND_NONE,
  TLX_KIND_INVALID,    /* refused here */
  TLX_KIND_CONNECTION, /* no connection, or it broke */
  TLX_KIND_TIMEOUT,    /* a time limit ran out */
  TLX_KIND_API,        /* the service's error envelope */
  TLX_KIND_PROTOCOL    /* whoever answered does not speak as the service does */
} tlx_kind;

/* "not_sent", "rejected", "unknown", "accepted". Static. */
const char *tlx_outcome_name(tlx_outcome outcome);

/* "invalid", "connection", "timeout", "api", "protocol"; NULL for TLX_KIND_NONE. Static. */
const char *tlx_kind_name(tlx_kind kind);

/* How far the carriage of one request came. */
typedef struct tlx_carriage {
  bool begun;       /* a byte of the request may have left the machine */
  bool whole;       /* the reply arrived complete: status line, headers and body */
  tlx_kind failure; /* why it is not whole: connection, timeout or protocol */
} tlx_carriage;

/* The headers that are read, and the room each has; longer values are taken as absent. */
#define TLX_REPLY_HEADERS(XX)                \
  XX(request_id, "x-request-id", 128)        \
  XX(retry_after, "retry-after", 64)         \
  XX(retry_after_ms, "retry-after-ms", 32)   \
  XX(limit, "x-ratelimit-limit", 128)        \
  XX(remaining, "x-ratelimit-remaining", 32) \
  XX(reset, "x-ratelimit-reset", 32)         \
  XX(date, "date", 64)

typedef enum tlx_reply_field {
#define XX(field, name, room) TLX_REPLY_##field,
  TLX_REPLY_HEADERS(XX)
#undef XX
      TLX_N_REPLY_FIELDS
} tlx_reply_field;

/* The head of a reply, collected as it arrives. Caller-owned, all zero at the start, no freeing. */
typedef struct tlx_reply {
  int status;                                   /* of the final status line; 0 before it */
#define XX(field, name, room) char field[room]; /* "" when absent */
  TLX_REPLY_HEADERS(XX)
#undef XX
} tlx_reply;

/* Yes for 200 to 599: a 1xx is never a final status. */
bool tlx_is_final_status(int status);

/* Keeps one header if it is one that is read; its name in any case. Of lines that repeat a name the
 * last counts; of a list of limits, whose first counts, the first. Returns which it is, or
 * TLX_N_REPLY_FIELDS. */
tlx_reply_field tlx_reply_header(tlx_reply *reply, tlx_str name, tlx_str value);

/* Takes the header as absent after all. */
void tlx_reply_forget(tlx_reply *reply, tlx_reply_field field);

/* A wait or count that the reply did not name. */
#define TLX_NOT_NAMED (-1.0)

typedef struct tlx_verdict {
  tlx_outcome outcome;
  tlx_kind kind;        /* TLX_KIND_NONE when the body decides: see there */
  bool is_retryable;    /* sending again cannot make a second message, and may succeed */
  double retry_after_s; /* from now; TLX_NOT_NAMED when not named */
  double limit, remaining, reset_s; /* of the rate limit; reset from now; or TLX_NOT_NAMED */
} tlx_verdict;

/*
 * Judges one attempt.
 *
 * now_s  Wall clock, seconds since 1970; used where the reply has no Date of its own.
 * Source: RFC 9110 (statuses, Retry-After), the service's rate-limit pages, and its replies, as
 * others have seen them: x-ratelimit-limit is a list, "40, 40;w=60", whose first number holds, and
 * x-ratelimit-reset a wait in seconds. (A page of the service's shows a time there: so much is a
 * reset of 10^9 or more, and from 10^12 in milliseconds.) Thread-safe.
 */
tlx_verdict tlx_judge(const tlx_carriage *carriage, const tlx_reply *reply, double now_s);

#endif

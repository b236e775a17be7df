#include "tlx_transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tlx_recipient.h"

tlx_transfer *tlx_transfer_new(const tlx_prefix *prefix, const tlx_post *post, tlx_str recipient,
                               bool is_sealed, size_t max_response_bytes) {
  size_t n = tlx_request_size(prefix, post);
  tlx_transfer *t = malloc(sizeof *t + n + recipient.n);
  if (!t) return NULL;
  *t = (tlx_transfer){ .owner = NULL };
  tlx_request_write(prefix, post, t->request);
  tlx_exchange_init(&t->exchange, (tlx_str){ t->request, n }, is_sealed, max_response_bytes);
  if (recipient.n > 0) memcpy(t->request + n, recipient.p, recipient.n);
  t->recipient = (tlx_str){ t->request + n, recipient.n };
  return t;
}

bool tlx_transfer_may_be_followed(const tlx_transfer *t) {
  return tlx_exchange_is_reusable(&t->exchange) &&
         tlx_recipient_is_named(t->recipient, tlx_exchange_body_of(&t->exchange));
}

void tlx_transfer_fail(tlx_transfer *t, tlx_kind failure, const char *cause) {
  t->failure = failure;
  snprintf(t->cause, sizeof t->cause, "%s", cause);
}

tlx_transfer *tlx_transfer_due(tlx_deadline *deadline) {
  return (tlx_transfer *)((char *)deadline - offsetof(tlx_transfer, deadline));
}

bool tlx_transfer_may_be_read(const tlx_transfer *t) {
  return t->is_the_parents || tlx_exchange_has_begun(&t->exchange);
}

bool tlx_transfer_is_done(const tlx_transfer *transfer) {
  return transfer->is_done;
}

void *tlx_transfer_owner(const tlx_transfer *transfer) {
  return transfer->owner;
}

/* What an exchange that never began has to say is not about an answer. */
static const char *cause_of(const tlx_transfer *t, const tlx_carriage *carriage) {
  if (t->failure != TLX_KIND_NONE) return t->cause;
  if (carriage->begun || carriage->failure == TLX_KIND_PROTOCOL) {
    return tlx_exchange_cause(&t->exchange);
  }
  if (carriage->failure == TLX_KIND_TIMEOUT) return "nobody took the request in time";
  return "the other side closed the connection before the request began";
}

tlx_transfer_result tlx_transfer_result_of(const tlx_transfer *t) {
  tlx_carriage carriage = tlx_exchange_carriage(&t->exchange);
  carriage.begun = tlx_transfer_may_be_read(t);
  if (t->failure != TLX_KIND_NONE) {
    carriage.whole = false;
    carriage.failure = t->failure;
  }
  return (tlx_transfer_result){
    .carriage = carriage,
    .was_stale = t->was_stale,
    .was_waiting = t->was_waiting,
    .reply = tlx_exchange_reply(&t->exchange),
    .body = tlx_exchange_body_of(&t->exchange),
    .cause = cause_of(t, &carriage),
    .recipient = t->recipient,
  };
}

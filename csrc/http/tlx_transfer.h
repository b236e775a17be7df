/* One request on its way: an exchange, its time limit, and whose it is. Internal to this folder. */
#ifndef TLX_TRANSFER_H
#define TLX_TRANSFER_H

#include "tlx_cause.h"
#include "tlx_connection.h"
#include "tlx_deadlines.h"
#include "tlx_exchange.h"
#include "tlx_http.h"
#include "tlx_list.h"

struct tlx_transfer {
  tlx_link link; /* in the engine's list of those that wait, are in flight or are done */
  tlx_deadline deadline;
  tlx_http *http; /* NULL once it was handed out or the engine is gone */
  void *owner;
  tlx_connection *connection; /* NULL while it waits for one, and when it is done */
  double end_ms;              /* at which it ends at the latest, waiting included */
  long timeout_ms, connect_timeout_ms;
  bool is_fresh; /* on a connection that has served nobody before */
  bool is_done, was_stale, was_waiting;
  tlx_str recipient;   /* of the message: behind the request */
  bool is_the_parents; /* who carries it on after a fork */
  tlx_exchange exchange;
  tlx_kind failure; /* of the carrier; TLX_KIND_NONE when the exchange says */
  char cause[TLX_MAX_CAUSE];
  char request[];
};

/* A transfer that waits; NULL when memory is short. What `post` views, and `recipient`, is copied.
 */
tlx_transfer *tlx_transfer_new(const tlx_prefix *prefix, const tlx_post *post, tlx_str recipient,
                               bool is_sealed, size_t max_response_bytes);

/* It ends for a reason of the carrier's, whose words are copied. */
void tlx_transfer_fail(tlx_transfer *transfer, tlx_kind failure, const char *cause);

/* Whether the connection may serve another: the reply is whole, and says whose it is. */
bool tlx_transfer_may_be_followed(const tlx_transfer *transfer);

/* Whether anybody may have read a byte of it, as far as this process knows. */
bool tlx_transfer_may_be_read(const tlx_transfer *transfer);

/* Whose deadline it is. */
tlx_transfer *tlx_transfer_due(tlx_deadline *deadline);

#endif

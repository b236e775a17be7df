/*
 * What the engine is made of, and how it is driven. Internal to this folder.
 *
 * A transfer waits, then has one connection, then is done. A connection that stays good is idle
 * afterwards, and is looked at again right before it serves another.
 */
#ifndef TLX_ENGINE_H
#define TLX_ENGINE_H

#include "tlx_deadlines.h"
#include "tlx_http.h"
#include "tlx_pool.h"
#include "tlx_transfer.h"
#include "tlx_watch.h"

struct tlx_http {
  char *prefix_bytes;
  tlx_prefix prefix; /* of every request */
  size_t max_response_bytes;
  unsigned long n_forks; /* until the process whose connections these are */
  tlx_dialler dialler;
  tlx_pool pool;
  tlx_watch watch;
  tlx_deadlines deadlines;
  tlx_list waiting, in_flight, finished; /* transfers */
  size_t n_ended;                        /* since the beginning */
  size_t n_reported;                     /* of those, how many had ended when the last step did */
  double libcurl_due_ms;
  double budget_end_ms;        /* until when this step may go on */
  bool has_more;               /* the last step left something undone */
  bool has_lost_track;         /* of a socket of libcurl's, for want of memory */
  char room[TLX_SEALED_BYTES]; /* for what is received */
};

/* Whether this step has had its share of the time. */
bool tlx_engine_is_spent(const tlx_http *http);

/* It is done: its deadline is void, and it waits to be handed out, if it has an owner. */
void tlx_engine_settle(tlx_http *http, tlx_transfer *transfer);

/* The same for a reason of the carrier's, whose words are copied. */
void tlx_engine_fail(tlx_http *http, tlx_transfer *transfer, tlx_kind kind, const char *cause);

/* Closes a connection that serves nobody. */
void tlx_engine_drop(tlx_http *http, tlx_connection *connection);

/* tlx_carry.c: an exchange on its connection. */

/* Hands the request to a connection that was looked at and is silent. */
void tlx_carry_begin(tlx_http *http, tlx_transfer *transfer, tlx_connection *connection);

/* Goes on, where the connection is ready for `events` of poll. */
void tlx_carry_on(tlx_http *http, tlx_connection *connection, short events);

/* Reads on where the last step left off. */
void tlx_carry_rest(tlx_http *http);

/* Time is up: takes what has come, and ends it. */
void tlx_carry_end(tlx_http *http, tlx_transfer *transfer);

/* tlx_place.c: who gets which connection. */

/* Until when it may take from now on, having a connection: not beyond its end. */
double tlx_engine_due_ms(const tlx_transfer *transfer, double now_ms);

/* Whether a connection is idle, or may be opened. */
bool tlx_engine_has_connection(const tlx_http *http);

/* Gives it a connection, or lets it wait for one. Returns false when memory is short: nothing of it
 * was sent, and it stands in no list. */
bool tlx_engine_place(tlx_http *http, tlx_transfer *transfer);

/* Waits at most `wait_ms` for something to happen, and does what is to be done. */
void tlx_engine_drive(tlx_http *http, double wait_ms);

/* Gives those that wait what has come free. */
void tlx_engine_serve_waiting(tlx_http *http);

/* Ends one that waits: its time is up. */
void tlx_engine_fail_waiting(tlx_http *http, tlx_transfer *transfer);

/* tlx_drive.c: what is done when. */

/* How long until something is due, `most_ms` at most. */
double tlx_engine_due_in_ms(const tlx_http *http, double most_ms);

/* Abandons one that is not done. */
void tlx_engine_abandon(tlx_http *http, tlx_transfer *transfer);

#endif

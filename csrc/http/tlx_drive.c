#include "tlx_engine.h"

#include <math.h>

#include "tlx_machine.h"
#include "tlx_sigpipe.h"

/* Between two looks at the clock, which libcurl's handshakes get each. */
#define EVENTS_PER_LOOK 8
/* With a name to look up and a file of certificates to read. */
#define DESCRIPTORS_TO_CONNECT 4

bool tlx_engine_is_spent(const tlx_http *http) {
  return tlx_machine_now_ms() >= http->budget_end_ms;
}

void tlx_engine_settle(tlx_http *http, tlx_transfer *t) {
  tlx_deadlines_remove(&http->deadlines, &t->deadline);
  if (t->owner) {
    tlx_list_append(&http->finished, &t->link);
  } else { /* handed out by that */
    tlx_list_leave(&t->link);
    t->http = NULL;
  }
  t->connection = NULL;
  t->is_done = true;
  http->n_ended++;
}

void tlx_engine_drop(tlx_http *http, tlx_connection *c) {
  if (c->fd >= 0) tlx_watch_drop(&http->watch, c->fd);
  tlx_connection_close(&http->dialler, c);
}

void tlx_engine_fail(tlx_http *http, tlx_transfer *t, tlx_kind kind, const char *cause) {
  tlx_transfer_fail(t, kind, cause);
  tlx_engine_settle(http, t);
}

/* ---- connections that libcurl has made, or not ------------------------------------------------
 */

/* Of one that is fresh, something has come before anything was asked. */
static void refuse(tlx_http *http, tlx_connection *c) {
  tlx_transfer *t = c->transfer;
  if (c->is_over) {
    tlx_engine_fail(http, t, TLX_KIND_CONNECTION,
                    "the other side closed the connection before the request began");
  } else {
    tlx_engine_fail(http, t, TLX_KIND_PROTOCOL, "the other side spoke before it was asked");
  }
  tlx_engine_drop(http, c);
}

static void listen_on(tlx_http *http, tlx_connection *c) {
  if (!tlx_connection_is_quiet(c)) refuse(http, c);
}

static void welcome(tlx_http *http, tlx_connection *c) {
  tlx_pool_regrow(&http->pool);
  if (!tlx_connection_is_quiet(c)) {
    refuse(http, c);
  } else if (tlx_watch_set(&http->watch, c->fd, POLLIN, c)) {
    tlx_pool_listen(&http->pool, c, tlx_machine_now_ms());
  } else {
    tlx_engine_fail(http, c->transfer, TLX_KIND_CONNECTION,
                    "memory ran out before the request began");
    tlx_engine_drop(http, c);
  }
}

/* Those that have been silent for long enough begin to serve. */
static void begin_fresh(tlx_http *http, double now_ms) {
  tlx_connection *c;
  double until_ms;
  while ((c = tlx_pool_first_fresh(&http->pool, &until_ms)) != NULL && until_ms <= now_ms) {
    /* What TLS sends for itself is taken in first. */
    if (tlx_connection_is_quiet(c) && tlx_connection_is_silent(c)) {
      tlx_list_append(&http->pool.busy, &c->link);
      tlx_carry_begin(http, c->transfer, c);
    } else {
      refuse(http, c);
    }
  }
}

/* What else fails for want of them, a name look-up or a file of certificates, says otherwise. */
static bool lacked_descriptors(tlx_connection *c) {
  if (!tlx_machine_has_descriptors(DESCRIPTORS_TO_CONNECT)) c->had_no_descriptor = true;
  return c->had_no_descriptor;
}

static void turn_down(tlx_http *http, tlx_connection *c, CURLcode code) {
  tlx_transfer *t = c->transfer;
  char cause[TLX_MAX_CAUSE];
  bool may_wait = lacked_descriptors(c) && tlx_pool_n_open(&http->pool) > 1;
  tlx_cause_of(&http->dialler, c, code, cause);
  tlx_engine_drop(http, c);
  if (may_wait) {
    t->connection = NULL;
    tlx_pool_shrink(&http->pool);
    tlx_list_prepend(&http->waiting, &t->link);
  } else {
    tlx_engine_fail(http, t, tlx_cause_is_timeout(code) ? TLX_KIND_TIMEOUT : TLX_KIND_CONNECTION,
                    cause);
  }
}

static void receive_made(tlx_http *http) {
  CURLcode code;
  tlx_connection *c;
  while (http->dialler.n_dialling > 0 && (c = tlx_connection_made(&http->dialler, &code)) != NULL) {
    if (code == CURLE_OK) {
      welcome(http, c);
    } else {
      turn_down(http, c, code);
    }
    if (!tlx_engine_is_spent(http)) continue;
    http->has_more = true;
    return;
  }
}

/* Memory is short, here or in libcurl: what it is making would never end by itself. */
static void give_up_dialling(tlx_http *http) {
  http->has_lost_track = false;
  for (tlx_link *link = http->in_flight.first, *after; link; link = after) {
    tlx_connection *c = ((tlx_transfer *)link)->connection;
    after = link->after;
    if (c->is_dialling) turn_down(http, c, CURLE_OUT_OF_MEMORY);
  }
}

/* ---- what is due ------------------------------------------------------------------------------
 */

static void tell_idle(tlx_http *http, tlx_connection *c) {
  if (!tlx_connection_is_silent(c)) tlx_engine_drop(http, c);
}

static int ready_for(short events) {
  int ready = 0;
  if (events & (POLLIN | POLLHUP | POLLERR)) ready |= CURL_CSELECT_IN;
  if (events & POLLOUT) ready |= CURL_CSELECT_OUT;
  if (events & POLLNVAL) ready |= CURL_CSELECT_ERR;
  return ready;
}

/* Returns whether it was one of libcurl's, each of which may take its time. */
static bool heed(tlx_http *http, const struct pollfd *ready, tlx_connection *c) {
  if (!c) {
    int n_running;
    curl_multi_socket_action(http->dialler.multi, ready->fd, ready_for(ready->revents), &n_running);
    return true;
  }
  if (tlx_pool_is_idle(&http->pool, c)) {
    tell_idle(http, c);
  } else if (tlx_pool_is_fresh(&http->pool, c)) {
    listen_on(http, c);
  } else {
    tlx_carry_on(http, c, ready->revents);
  }
  return false;
}

static void heed_ready(tlx_http *http) {
  struct pollfd ready;
  void *owner;
  for (int n = 1; tlx_watch_next(&http->watch, &ready, &owner); n++) {
    bool is_slow = heed(http, &ready, owner);
    if ((is_slow || n % EVENTS_PER_LOOK == 0) && tlx_engine_is_spent(http)) return;
  }
}

static void heed_libcurl(tlx_http *http) {
  int n_running;
  if (http->libcurl_due_ms > tlx_machine_now_ms()) return;
  http->libcurl_due_ms = HUGE_VAL;
  CURLMcode code =
      curl_multi_socket_action(http->dialler.multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
  if (code != CURLM_OK) http->has_lost_track = true;
}

static void end_overdue(tlx_http *http, double now_ms) {
  tlx_deadline *first;
  while ((first = tlx_deadlines_first(&http->deadlines)) != NULL && first->at_ms <= now_ms) {
    tlx_transfer *t = tlx_transfer_due(first);
    tlx_connection *c = t->connection;
    if (!c) {
      tlx_engine_fail_waiting(http, t);
    } else if (c->is_dialling) {
      turn_down(http, c, CURLE_OPERATION_TIMEDOUT);
    } else {
      tlx_carry_end(http, t);
    }
  }
}

static void drop_aged(tlx_http *http, double now_ms) {
  tlx_connection *c;
  while ((c = tlx_pool_oldest(&http->pool)) != NULL &&
         now_ms - c->silent_since_ms >= TLX_MAX_IDLE_MS) {
    tlx_engine_drop(http, c);
  }
}

double tlx_engine_due_in_ms(const tlx_http *http, double wait_ms) {
  const tlx_deadline *first = tlx_deadlines_first(&http->deadlines);
  double due_ms = http->libcurl_due_ms, fresh_ms;
  if (http->pool.half_read.n > 0 || http->has_more) return 0;
  if (first && first->at_ms < due_ms) due_ms = first->at_ms;
  if (tlx_pool_first_fresh(&http->pool, &fresh_ms) && fresh_ms < due_ms) due_ms = fresh_ms;
  due_ms -= tlx_machine_now_ms();
  if (due_ms < wait_ms) wait_ms = due_ms;
  return wait_ms > 0 ? wait_ms : 0;
}

void tlx_engine_drive(tlx_http *http, double wait_ms) {
  if (wait_ms > 0) wait_ms = tlx_engine_due_in_ms(http, wait_ms);
  tlx_watch_wait(&http->watch, (long)ceil(wait_ms));
  tlx_sigpipe hold;
  tlx_sigpipe_hold(&hold);
  http->has_more = false;
  tlx_carry_rest(http);
  heed_ready(http);
  heed_libcurl(http);
  receive_made(http);
  if (http->has_lost_track) give_up_dialling(http);
  double now_ms = tlx_machine_now_ms();
  end_overdue(http, now_ms); /* first: what is late must not be written any more */
  begin_fresh(http, now_ms);
  drop_aged(http, now_ms);
  tlx_engine_serve_waiting(http);
  if (tlx_watch_has_next(&http->watch)) http->has_more = true;
  tlx_sigpipe_release(&hold);
}

void tlx_engine_abandon(tlx_http *http, tlx_transfer *t) {
  tlx_sigpipe hold;
  tlx_sigpipe_hold(&hold);
  if (t->connection) tlx_engine_drop(http, t->connection);
  tlx_deadlines_remove(&http->deadlines, &t->deadline);
  tlx_list_leave(&t->link);
  tlx_sigpipe_release(&hold);
}

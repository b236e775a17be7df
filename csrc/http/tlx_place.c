#include "tlx_engine.h"

#include <math.h>

#include "tlx_machine.h"

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *per_socket) {
  tlx_http *http = user;
  short events = 0;
  (void)easy, (void)per_socket;
  if (what & CURL_POLL_IN) events |= POLLIN;
  if (what & CURL_POLL_OUT) events |= POLLOUT;
  if (what == CURL_POLL_REMOVE) {
    tlx_watch_drop(&http->watch, fd);
  } else if (!tlx_watch_set(&http->watch, fd, events, NULL)) {
    http->has_lost_track = true;
  }
  return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user) {
  tlx_http *http = user;
  (void)multi;
  http->libcurl_due_ms = timeout_ms < 0 ? HUGE_VAL : tlx_machine_now_ms() + (double)timeout_ms;
  return 0;
}

static bool open_dialler(tlx_http *http) {
  tlx_dialler *dialler = &http->dialler;
  if (dialler->multi) return true;
  dialler->multi = curl_multi_init();
  dialler->share = curl_share_init();
  if (!dialler->multi || !dialler->share) {
    tlx_dialler_reset(dialler);
    return false;
  }
  curl_share_setopt(dialler->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  curl_multi_setopt(dialler->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(dialler->multi, CURLMOPT_SOCKETDATA, http);
  curl_multi_setopt(dialler->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(dialler->multi, CURLMOPT_TIMERDATA, http);
  return true;
}

double tlx_engine_due_ms(const tlx_transfer *t, double now_ms) {
  double due_ms = now_ms + (double)t->timeout_ms;
  return due_ms < t->end_ms ? due_ms : t->end_ms;
}

static bool dial(tlx_http *http, tlx_transfer *t) {
  double left_ms = t->deadline.at_ms - tlx_machine_now_ms();
  double limit_ms = (double)t->connect_timeout_ms;
  if (left_ms < limit_ms) limit_ms = left_ms > 1 ? left_ms : 1;
  tlx_connection *c =
      open_dialler(http) ? tlx_connection_dial(&http->dialler, (long)ceil(limit_ms)) : NULL;
  if (!c) return false;
  c->transfer = t;
  t->connection = c;
  tlx_list_append(&http->pool.busy, &c->link);
  tlx_list_append(&http->in_flight, &t->link);
  return true;
}

static bool is_live(tlx_connection *c, double now_ms) {
#ifdef TLX_WITHOUT_LOOK /* only ever for showing what happens then */
  (void)now_ms;
  return c != NULL;
#else
  return now_ms - c->silent_since_ms < TLX_MAX_IDLE_MS && tlx_connection_is_silent(c);
#endif
}

/* An idle connection on which nothing but silence is; the others are dropped. */
static tlx_connection *take_live(tlx_http *http) {
  tlx_connection *c;
  double now_ms = tlx_machine_now_ms();
  while ((c = tlx_pool_take(&http->pool)) != NULL) {
    if (is_live(c, now_ms)) return c;
    tlx_engine_drop(http, c);
  }
  return NULL;
}

bool tlx_engine_has_connection(const tlx_http *http) {
  return http->pool.idle.n > 0 || tlx_pool_has_room(&http->pool);
}

bool tlx_engine_place(tlx_http *http, tlx_transfer *t) {
  tlx_connection *c = t->is_fresh ? NULL : take_live(http);
  if (c) {
    tlx_carry_begin(http, t, c);
    return true;
  }
  tlx_connection *oldest = tlx_pool_oldest(&http->pool);
  if (oldest && !tlx_pool_has_room(&http->pool)) tlx_engine_drop(http, oldest);
  if (tlx_pool_has_room(&http->pool)) return dial(http, t);
  tlx_list_append(&http->waiting, &t->link);
  return true;
}

void tlx_engine_fail_waiting(tlx_http *http, tlx_transfer *t) {
  t->was_waiting = true;
  tlx_engine_fail(http, t, TLX_KIND_TIMEOUT,
                  "no connection came free in time: all that max_connections allows were in use");
}

/* With less of its time left, an answer would hardly come in it. */
#define LEAST_SHARE 0.1

/* Its time counts from now on. Returns false when too little is left. */
static bool end_waiting(tlx_http *http, tlx_transfer *t) {
  double now_ms = tlx_machine_now_ms(), due_ms = tlx_engine_due_ms(t, now_ms);
  if (due_ms - now_ms < LEAST_SHARE * (double)t->timeout_ms) return false;
  tlx_deadlines_remove(&http->deadlines, &t->deadline);
  t->deadline.at_ms = due_ms;
  tlx_deadlines_add(&http->deadlines, &t->deadline);
  return true;
}

void tlx_engine_serve_waiting(tlx_http *http) {
  while (http->waiting.first && tlx_engine_has_connection(http)) {
    tlx_transfer *t = (tlx_transfer *)http->waiting.first;
    if (tlx_engine_is_spent(http)) {
      http->has_more = true;
      return;
    }
    if (!end_waiting(http, t)) {
      tlx_engine_fail_waiting(http, t);
    } else if (!tlx_engine_place(http, t)) {
      tlx_engine_fail(http, t, TLX_KIND_CONNECTION, "memory ran out before a connection was made");
    }
  }
}

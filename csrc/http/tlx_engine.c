#define _POSIX_C_SOURCE 200809L

#include "tlx_engine.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tlx_machine.h"
#include "tlx_sigpipe.h"

#if LIBCURL_VERSION_NUM < 0x074200
#error "libcurl 7.66 or newer is needed"
#endif

/* For what no descriptor tells: an epoll that had no room for a socket, a name look-up of a libcurl
 * that was built without socket pairs. */
#define MAX_TIMEOUT_MS 250.0

const char *tlx_http_library_version(void) {
  return curl_version_info(CURLVERSION_NOW)->version;
}

/* ---- making and freeing -----------------------------------------------------------------------
 */

/* Never undone: other users of libcurl may share it. */
static void global_init(void) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* NULL stays NULL. Returns false when memory is short. */
static bool copy_string(char **copy, const char *string) {
  if (!string) return true;
  size_t n = strlen(string) + 1;
  *copy = malloc(n);
  if (!*copy) return false;
  memcpy(*copy, string, n);
  return true;
}

/* "https://", host and port; and the place in it from the host on. */
static bool make_url(tlx_dialler *dialler, const tlx_target *target) {
  const char *scheme = target->is_https ? "https://" : "http://";
  size_t n_scheme = strlen(scheme), size = n_scheme + target->host.n + sizeof ":65535";
  dialler->url = malloc(size);
  if (!dialler->url) return false;
  snprintf(dialler->url, size, "%s%.*s:%u", scheme, (int)target->host.n, target->host.p,
           target->port);
  dialler->place = dialler->url + n_scheme;
  dialler->is_tls = target->is_https;
  return true;
}

static bool make_prefix(tlx_http *http, const tlx_target *target) {
  http->prefix_bytes = malloc(tlx_request_prefix_size(target));
  if (!http->prefix_bytes) return false;
  tlx_request_write_prefix(target, http->prefix_bytes);
  http->prefix = tlx_request_prefix(target, http->prefix_bytes);
  return true;
}

/* Whether TLS may lie between: the service's or a proxy's, which the environment may name. */
static bool is_sealed(const tlx_dialler *dialler) {
  const char *proxy = dialler->proxy;
  return dialler->is_tls || !proxy || strncasecmp(proxy, "https", 5) == 0;
}

/* A compiler may drop a memset of memory that is freed next, unless it cannot know that it is one.
 */
static void wipe(char *bytes, size_t n) {
  static void *(*const volatile set)(void *, int, size_t) = memset;
  set(bytes, 0, n);
}

tlx_http *tlx_http_new(const tlx_http_settings *settings) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, global_init);
  tlx_http *http = calloc(1, sizeof *http);
  if (!http) return NULL;
  http->n_forks = tlx_machine_n_forks();
  http->max_response_bytes = settings->max_response_bytes;
  http->pool.max = settings->max_connections;
  http->libcurl_due_ms = HUGE_VAL;
  tlx_dialler *dialler = &http->dialler;
  if (make_url(dialler, &settings->target) && make_prefix(http, &settings->target) &&
      copy_string(&dialler->ca_file, settings->ca_file) &&
      copy_string(&dialler->proxy, settings->proxy)) {
    dialler->is_sealed = is_sealed(dialler);
    dialler->openssl = tlx_record_library();
    return http;
  }
  tlx_http_free(http);
  return NULL;
}

static void end_all(tlx_http *http, tlx_list *list, const char *cause) {
  while (list->first) {
    tlx_transfer *t = (tlx_transfer *)list->first;
    tlx_transfer_fail(t, TLX_KIND_CONNECTION, cause);
    tlx_engine_settle(http, t);
  }
}

static void give_to_parent(tlx_list *list) {
  for (tlx_link *link = list->first; link; link = link->after) {
    ((tlx_transfer *)link)->is_the_parents = true; /* begun by it, now or soon */
  }
}

/* The parent goes on using its handles: letting go of them here would end TLS sessions on sockets
 * that are the parent's too. Their memory is given up; their sockets are closed unannounced. */
static void leave_to_parent(tlx_http *http) {
  static const char CAUSE[] = "the process forked meanwhile, and the parent carries the request on";
  give_to_parent(&http->waiting);
  give_to_parent(&http->in_flight);
  end_all(http, &http->waiting, CAUSE);
  end_all(http, &http->in_flight, CAUSE);
  http->pool = (tlx_pool){ .max = http->pool.max };
  http->dialler.multi = NULL;
  http->dialler.share = NULL;
  http->dialler.n_dialling = 0;
  http->libcurl_due_ms = HUGE_VAL;
  http->has_more = false;
  tlx_watch_abandon(&http->watch);
  http->n_forks = tlx_machine_n_forks();
}

static void heed_fork(tlx_http *http) {
  if (http->n_forks != tlx_machine_n_forks()) leave_to_parent(http);
}

static void forget(tlx_transfer *t) {
  tlx_list_leave(&t->link);
  t->http = NULL;
}

static void close_all(tlx_http *http) {
  tlx_sigpipe hold;
  tlx_sigpipe_hold(&hold);
  for (tlx_connection *c; (c = tlx_pool_any(&http->pool)) != NULL;) tlx_engine_drop(http, c);
  tlx_dialler_reset(&http->dialler);
  tlx_sigpipe_release(&hold);
}

void tlx_http_free(tlx_http *http) {
  static const char CAUSE[] = "the client was closed meanwhile";
  if (!http) return;
  heed_fork(http);
  end_all(http, &http->waiting, CAUSE);
  end_all(http, &http->in_flight, CAUSE);
  while (http->finished.first) forget((tlx_transfer *)http->finished.first);
  close_all(http);
  tlx_watch_reset(&http->watch);
  tlx_deadlines_reset(&http->deadlines);
  if (http->prefix_bytes) wipe(http->prefix_bytes, http->prefix.bytes.n);
  if (http->dialler.proxy) wipe(http->dialler.proxy, strlen(http->dialler.proxy));
  free(http->prefix_bytes);
  free(http->dialler.url);
  free(http->dialler.ca_file);
  free(http->dialler.proxy);
  free(http);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static bool launch(tlx_http *http, tlx_transfer *t, double now_ms) {
  tlx_sigpipe hold;
  bool is_placed = true, must_wait = http->waiting.n > 0 || !tlx_engine_has_connection(http);
  if (!tlx_deadlines_reserve(&http->deadlines)) return false;
  t->deadline.at_ms = must_wait ? t->end_ms : tlx_engine_due_ms(t, now_ms);
  tlx_deadlines_add(&http->deadlines, &t->deadline);
  tlx_sigpipe_hold(&hold);
  if (must_wait) {
    tlx_list_append(&http->waiting, &t->link);
  } else {
    is_placed = tlx_engine_place(http, t);
  }
  tlx_sigpipe_release(&hold);
  return is_placed;
}

tlx_transfer *tlx_http_start(tlx_http *http, const tlx_post *post, tlx_str recipient,
                             const tlx_http_limits *limits, void *owner) {
  heed_fork(http);
  tlx_transfer *t = tlx_transfer_new(&http->prefix, post, recipient, http->dialler.is_sealed,
                                     http->max_response_bytes);
  if (!t) return NULL;
  t->http = http;
  t->owner = owner;
  t->is_fresh = limits->fresh;
  t->connect_timeout_ms = limits->connect_timeout_ms;
  t->timeout_ms = limits->timeout_ms;
  double now_ms = tlx_machine_now_ms();
  t->end_ms = now_ms + (double)limits->deadline_ms;
  if (launch(http, t, now_ms)) return t;
  tlx_transfer_free(t);
  return NULL;
}

static size_t n_in_flight(const tlx_http *http) {
  return http->waiting.n + http->in_flight.n;
}

static bool has_news(const tlx_http *http) {
  return http->n_ended != http->n_reported;
}

size_t tlx_http_step(tlx_http *http, long wait_ms) {
  heed_fork(http);
  double now_ms = tlx_machine_now_ms(), end_ms = now_ms + (double)wait_ms;
  http->budget_end_ms = end_ms > now_ms + TLX_STEP_BUDGET_MS ? end_ms : now_ms + TLX_STEP_BUDGET_MS;
  double left_ms = n_in_flight(http) > 0 && !has_news(http) ? end_ms - now_ms : 0;
  do {
    if (http->watch.n == 0 && n_in_flight(http) == 0) break;
    tlx_engine_drive(http, left_ms);
    if (left_ms > 0) left_ms = end_ms - tlx_machine_now_ms();
  } while (left_ms > 0 && !has_news(http));
  http->n_reported = http->n_ended;
  return n_in_flight(http);
}

int tlx_http_fd(tlx_http *http) {
  heed_fork(http);
  return tlx_watch_fd(&http->watch);
}

long tlx_http_timeout_ms(tlx_http *http) {
  heed_fork(http);
  if (http->finished.n > 0) return 0;
  if (n_in_flight(http) == 0) return -1;
  return (long)ceil(tlx_engine_due_in_ms(http, MAX_TIMEOUT_MS));
}

/* ---- what came of it --------------------------------------------------------------------------
 */

tlx_transfer *tlx_http_finished(tlx_http *http) {
  tlx_transfer *t = (tlx_transfer *)http->finished.first;
  if (t) forget(t);
  return t;
}

void tlx_transfer_claim(tlx_transfer *t) {
  if (t->http && t->is_done) forget(t);
}

bool tlx_transfer_has_begun(const tlx_transfer *t) {
  if (t->http) heed_fork(t->http);
  return tlx_transfer_may_be_read(t);
}

void tlx_transfer_free(tlx_transfer *t) {
  if (!t) return;
  if (t->http) heed_fork(t->http);
  if (t->http && !t->is_done) tlx_engine_abandon(t->http, t);
  tlx_transfer_claim(t);
  wipe(t->request, t->exchange.request.n);
  tlx_exchange_free(&t->exchange);
  free(t);
}

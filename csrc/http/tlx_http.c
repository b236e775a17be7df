#define _POSIX_C_SOURCE 200809L

#include "tlx_http.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tlx_sigpipe.h"
#include "tlx_transfer.h"
#include "tlx_watch.h"

#if LIBCURL_VERSION_NUM < 0x074200
#error "libcurl 7.66 or newer is needed"
#endif

#define MAX_SPARE_EASY 64
/* Below what servers keep idle connections open for, so that few are found closed. */
#define MAX_IDLE_CONNECTION_S 10L

typedef struct transfer_list {
  tlx_transfer *first, *last;
} transfer_list;

struct tlx_http {
  char *url, *ca_file, *proxy;
  struct curl_slist *headers;
  size_t max_response_bytes;
  pid_t pid; /* of the process that made `multi` */
  CURLM *multi;
  CURL *spare_easy[MAX_SPARE_EASY];
  size_t n_spare_easy;
  bool is_guarded; /* of every easy handle */
  tlx_sockets sockets;
  tlx_watch watch;
  transfer_list in_flight, finished;
  size_t n_in_flight;
};

const char *tlx_http_library_version(void) {
  return curl_version_info(CURLVERSION_NOW)->version;
}

/* Never undone: other users of libcurl may share it. */
static void global_init(void) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void list_append(transfer_list *list, tlx_transfer *t) {
  t->before = list->last;
  t->after = NULL;
  if (list->last) {
    list->last->after = t;
  } else {
    list->first = t;
  }
  list->last = t;
  t->is_listed = true;
}

static void list_remove(transfer_list *list, tlx_transfer *t) {
  if (t->before) {
    t->before->after = t->after;
  } else {
    list->first = t->after;
  }
  if (t->after) {
    t->after->before = t->before;
  } else {
    list->last = t->before;
  }
  t->is_listed = false;
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

static bool copy_view(char **copy, tlx_str view) {
  *copy = malloc(view.n + 1);
  if (!*copy) return false;
  memcpy(*copy, view.p, view.n);
  (*copy)[view.n] = '\0';
  return true;
}

/* A compiler may drop a memset of memory that is freed next. */
static void wipe(char *bytes, size_t n) {
  volatile char *p = bytes;
  while (n--) *p++ = 0;
}

static bool add_line(tlx_http *http, const char *line) {
  struct curl_slist *longer = curl_slist_append(http->headers, line);
  if (!longer) return false;
  http->headers = longer;
  return true;
}

static bool add_header(tlx_http *http, const tlx_http_header *header) {
  size_t n = header->name.n + 2 + header->value.n;
  char *line = malloc(n + 1);
  if (!line) return false;
  memcpy(line, header->name.p, header->name.n);
  memcpy(line + header->name.n, ": ", 2);
  memcpy(line + header->name.n + 2, header->value.p, header->value.n);
  line[n] = '\0';
  bool is_added = add_line(http, line);
  wipe(line, n);
  free(line);
  return is_added;
}

static bool copy_settings(tlx_http *http, const tlx_http_settings *settings) {
  http->max_response_bytes = settings->max_response_bytes;
  if (!copy_view(&http->url, settings->url) || !copy_string(&http->ca_file, settings->ca_file) ||
      !copy_string(&http->proxy, settings->proxy)) {
    return false;
  }
  for (size_t i = 0; i < settings->n_headers; i++) {
    if (!add_header(http, &settings->headers[i])) return false;
  }
  /* Without this, libcurl asks for leave before a large body, and sends it twice on a 417. */
  return add_line(http, "Expect:");
}

tlx_http *tlx_http_new(const tlx_http_settings *settings) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, global_init);
  tlx_http *http = calloc(1, sizeof *http);
  if (!http) return NULL;
  http->pid = getpid();
  if (copy_settings(http, settings)) return http;
  tlx_http_free(http);
  return NULL;
}

static void set_tls(const tlx_http *http, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  /* With a folder of certificates set, libcurl parses the whole bundle for each connection. */
  const char *bundle = http->ca_file;
#if LIBCURL_VERSION_NUM >= 0x074600
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  if (!bundle && info->age >= CURLVERSION_SEVENTH) bundle = info->cainfo;
#endif
  if (!bundle) return;
  curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
}

static void set_protocols(CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

static CURL *new_easy(tlx_http *http) {
  CURL *easy = curl_easy_init();
  if (!easy) return NULL;
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
  curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, MAX_IDLE_CONNECTION_S);
  curl_easy_setopt(easy, CURLOPT_URL, http->url);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
  if (http->proxy) curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy);
  set_protocols(easy);
  set_tls(http, easy);
  http->is_guarded = tlx_transfer_equip(easy, &http->sockets);
  return easy;
}

static CURL *take_easy(tlx_http *http) {
  if (http->n_spare_easy > 0) return http->spare_easy[--http->n_spare_easy];
  return new_easy(http);
}

static void give_easy(tlx_http *http, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
  if (http->n_spare_easy < MAX_SPARE_EASY) {
    http->spare_easy[http->n_spare_easy++] = easy;
  } else {
    curl_easy_cleanup(easy);
  }
}

static void settle(tlx_http *http, tlx_transfer *t) {
  list_remove(&http->in_flight, t);
  http->n_in_flight--;
  list_append(&http->finished, t);
}

static void leave_in_flight(tlx_http *http) {
  while (http->in_flight.first) {
    tlx_transfer *t = http->in_flight.first;
    tlx_transfer_end(t, "the process forked meanwhile, and the parent carries the request on");
    t->carriage.begun = true; /* by the parent, now or soon */
    settle(http, t);
  }
}

/* The parent goes on using its handles: letting go of them here would close TLS sessions on sockets
 * that are the parent's too. Their memory is given up; their sockets are closed unannounced. */
static void leave_to_parent(tlx_http *http) {
  leave_in_flight(http);
  http->multi = NULL;
  http->n_spare_easy = 0;
  tlx_sockets_abandon(&http->sockets);
  tlx_watch_abandon(&http->watch);
  http->pid = getpid();
}

static void heed_fork(tlx_http *http) {
  if (http->pid != getpid()) leave_to_parent(http);
}

static void detach(transfer_list *list) {
  for (tlx_transfer *t = list->first; t; t = t->after) {
    t->http = NULL;
    t->is_listed = false;
  }
}

static void drop_in_flight(tlx_http *http) {
  for (tlx_transfer *t = http->in_flight.first; t; t = t->after) {
    CURL *easy = t->easy;
    curl_multi_remove_handle(http->multi, easy);
    tlx_transfer_end(t, "the client was closed meanwhile");
    curl_easy_cleanup(easy);
  }
  detach(&http->in_flight);
  detach(&http->finished);
}

static void free_headers(tlx_http *http) {
  for (struct curl_slist *line = http->headers; line; line = line->next) {
    wipe(line->data, strlen(line->data));
  }
  curl_slist_free_all(http->headers);
}

static void free_handles(tlx_http *http) {
  tlx_sigpipe hold;
  tlx_sigpipe_hold(&hold);
  drop_in_flight(http);
  while (http->n_spare_easy > 0) curl_easy_cleanup(http->spare_easy[--http->n_spare_easy]);
  if (http->multi) curl_multi_cleanup(http->multi);
  tlx_sigpipe_release(&hold);
}

void tlx_http_free(tlx_http *http) {
  if (!http) return;
  heed_fork(http);
  free_handles(http);
  tlx_sockets_reset(&http->sockets);
  tlx_watch_reset(&http->watch);
  free_headers(http);
  free(http->url);
  free(http->ca_file);
  free(http->proxy);
  free(http);
}

static bool open_multi(tlx_http *http) {
  if (http->multi) return true;
  http->multi = curl_multi_init();
  return http->multi && tlx_watch_attach(&http->watch, http->multi);
}

/* Two when both families of addresses are tried, one of a name look-up, and one to spare. */
#define SOCKETS_EACH 4

static bool launch(tlx_http *http, tlx_transfer *t, const tlx_http_limits *limits) {
  if (!open_multi(http)) return false;
  if (!tlx_watch_reserve(&http->watch, SOCKETS_EACH * (http->n_in_flight + 1))) return false;
  t->easy = take_easy(http);
  if (!t->easy) return false;
  t->is_guarded = http->is_guarded;
  if (tlx_transfer_prepare(t, limits) && curl_multi_add_handle(http->multi, t->easy) == CURLM_OK) {
    return true;
  }
  curl_easy_cleanup(t->easy);
  return false;
}

tlx_transfer *tlx_http_start(tlx_http *http, tlx_str body, const tlx_http_limits *limits,
                             void *owner) {
  heed_fork(http);
  tlx_transfer *t = tlx_transfer_new(body);
  if (!t) return NULL;
  t->http = http;
  t->owner = owner;
  t->guard.sockets = &http->sockets;
  t->body.max = http->max_response_bytes;
  if (!launch(http, t, limits)) {
    free(t);
    return NULL;
  }
  list_append(&http->in_flight, t);
  http->n_in_flight++;
  return t;
}

static void collect(tlx_http *http) {
  int n_left = 0;
  CURLMsg *message;
  while ((message = curl_multi_info_read(http->multi, &n_left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL *easy = message->easy_handle;
    CURLcode code = message->data.result; /* gone once the handle is removed */
    tlx_transfer *t = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
    tlx_transfer_finish(t, code);
    curl_multi_remove_handle(http->multi, easy);
    give_easy(http, easy);
    settle(http, t);
  }
}

/* libcurl is out of memory or broken: what is in flight would never end by itself. */
static void give_up(tlx_http *http, CURLMcode code) {
  while (http->in_flight.first) {
    tlx_transfer *t = http->in_flight.first;
    CURL *easy = t->easy;
    tlx_transfer_end(t, curl_multi_strerror(code));
    curl_multi_remove_handle(http->multi, easy);
    curl_easy_cleanup(easy);
    settle(http, t);
  }
}

static double monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* libcurl does what can be done on the sockets that are ready, and what is due. */
static CURLMcode act(tlx_http *http) {
  curl_socket_t fd;
  int ready, n_running;
  CURLMcode code = CURLM_OK;
  while (code == CURLM_OK && tlx_watch_next(&http->watch, &fd, &ready)) {
    code = curl_multi_socket_action(http->multi, fd, ready, &n_running);
  }
  if (code != CURLM_OK) return code;
  return curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
}

static void drive(tlx_http *http, double wait_ms) {
  long due_ms = -1;
  curl_multi_timeout(http->multi, &due_ms);
  if (due_ms >= 0 && (double)due_ms < wait_ms) wait_ms = (double)due_ms;
  tlx_watch_wait(&http->watch, (long)ceil(wait_ms));
  tlx_sigpipe hold;
  tlx_sigpipe_hold(&hold);
  CURLMcode code = act(http);
  collect(http);
  if (code != CURLM_OK) give_up(http, code);
  tlx_sigpipe_release(&hold);
}

size_t tlx_http_step(tlx_http *http, long wait_ms) {
  heed_fork(http);
  if (http->n_in_flight == 0 && http->watch.n == 0) return 0;
  double left_ms = http->n_in_flight > 0 ? (double)wait_ms : 0;
  double end_ms = left_ms > 0 ? monotonic_ms() + left_ms : 0;
  size_t n_before = http->n_in_flight;
  do {
    drive(http, left_ms);
    if (left_ms > 0) left_ms = end_ms - monotonic_ms();
  } while (left_ms > 0 && http->n_in_flight == n_before);
  return http->n_in_flight;
}

/* What is handed out knows its engine no more: it may outlive it. */
static void hand_out(tlx_transfer *t) {
  list_remove(&t->http->finished, t);
  t->http = NULL;
}

int tlx_http_fd(tlx_http *http) {
  heed_fork(http);
  return tlx_watch_fd(&http->watch);
}

/* For what no socket tells: an epoll that had no room for one, a name look-up of a libcurl that was
 * built without socket pairs. */
#define MAX_TIMEOUT_MS 250L

long tlx_http_timeout_ms(tlx_http *http) {
  long timeout_ms = -1;
  heed_fork(http);
  if (http->n_in_flight == 0) return -1;
  curl_multi_timeout(http->multi, &timeout_ms);
  return timeout_ms < 0 || timeout_ms > MAX_TIMEOUT_MS ? MAX_TIMEOUT_MS : timeout_ms;
}

tlx_transfer *tlx_http_finished(tlx_http *http) {
  tlx_transfer *t = http->finished.first;
  if (t) hand_out(t);
  return t;
}

void tlx_transfer_claim(tlx_transfer *t) {
  if (t->http && t->is_done && t->is_listed) hand_out(t);
}

static void abandon(tlx_http *http, tlx_transfer *t) {
  tlx_sigpipe hold;
  tlx_sigpipe_hold(&hold);
  curl_multi_remove_handle(http->multi, t->easy);
  curl_easy_cleanup(t->easy);
  tlx_sigpipe_release(&hold);
  list_remove(&http->in_flight, t);
  http->n_in_flight--;
}

void tlx_transfer_free(tlx_transfer *t) {
  if (!t) return;
  if (t->http) heed_fork(t->http);
  if (t->http && !t->is_done) {
    abandon(t->http, t);
  } else {
    tlx_transfer_claim(t);
  }
  free(t->body.bytes);
  free(t);
}

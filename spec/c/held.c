#define _POSIX_C_SOURCE 200809L
#include "held.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 5000
#define N_REQUEST 63
#define N_REPLY 20

static void must(bool is_so, const char *what) {
  if (is_so) return;
  fprintf(stderr, "conformance: %s failed\n", what);
  exit(1);
}

void pause_ms(int ms) {
  struct timespec span = { ms / 1000, ms % 1000 * 1000000L };
  nanosleep(&span, NULL);
}

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- libcurl's callbacks ------------------------------------------------------------------- */

static int slot_of(const holder *h, curl_socket_t fd) {
  int i = 0;
  while (i < h->n_watched && h->watched[i].fd != fd) i++;
  return i;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *unused) {
  holder *h = context;
  int slot = slot_of(h, fd);
  (void)easy;
  (void)unused;
  h->n_callbacks++;
  if (what == CURL_POLL_REMOVE) {
    if (slot < h->n_watched) h->watched[slot] = h->watched[--h->n_watched];
    return 0;
  }
  must(slot < HOLDER_MAX_WATCHED, "watching one more socket");
  if (slot == h->n_watched) h->n_watched++;
  h->watched[slot] = (struct pollfd){ .fd = fd,
                                      .events = (short)((what & CURL_POLL_IN ? POLLIN : 0) |
                                                        (what & CURL_POLL_OUT ? POLLOUT : 0)) };
  return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context) {
  holder *h = context;
  (void)multi;
  h->n_callbacks++;
  h->timer_ms = timeout_ms;
  return 0;
}

static int on_close(void *context, curl_socket_t fd) {
  holder *h = context;
  h->n_closed++;
  return close(fd);
}

/* ---- dialling ------------------------------------------------------------------------------ */

holder holder_open(bool with_share) {
  holder h = { .multi = curl_multi_init(), .timer_ms = -1 };
  must(h.multi != NULL, "curl_multi_init");
  if (with_share) {
    h.share = curl_share_init();
    must(h.share && curl_share_setopt(h.share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == 0,
         "curl_share_init");
  }
  return h;
}

void holder_close(holder *h) {
  curl_multi_cleanup(h->multi);
  if (h->share) curl_share_cleanup(h->share);
}

static void set_options(CURL *easy, holder *h, const char *url) {
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, h);
  if (h->share) curl_easy_setopt(easy, CURLOPT_SHARE, h->share);
}

held held_new(holder *h, peer *p) {
  char url[64];
  held c = { .from = h, .peer = p, .easy = curl_easy_init(), .fd = CURL_SOCKET_BAD };
  must(c.easy != NULL, "curl_easy_init");
  snprintf(url, sizeof url, "%s://127.0.0.1:%u/", p->kind == PEER_PLAIN ? "http" : "https",
           p->port);
  set_options(c.easy, h, url);
  /* Here and not in holder_open: the holder has come to where it stays. */
  curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
  curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
  return c;
}

/* Copies, since libcurl changes the list meanwhile. */
static void turn(holder *h) {
  struct pollfd ready[HOLDER_MAX_WATCHED];
  int n = h->n_watched, running, n_ready;
  memcpy(ready, h->watched, sizeof ready);
  n_ready = poll(ready, (nfds_t)n, h->timer_ms >= 0 && h->timer_ms < 20 ? (int)h->timer_ms : 20);
  for (int i = 0; i < n && n_ready > 0; i++) {
    int what = (ready[i].revents & POLLIN ? CURL_CSELECT_IN : 0) |
               (ready[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
               (ready[i].revents & (POLLERR | POLLHUP) ? CURL_CSELECT_ERR : 0);
    if (what) curl_multi_socket_action(h->multi, ready[i].fd, what, &running);
  }
  if (n_ready == 0) curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static bool take_done(held *c) {
  int n_left;
  CURLMsg *message = curl_multi_info_read(c->from->multi, &n_left);
  if (!message || message->msg != CURLMSG_DONE || message->easy_handle != c->easy) return false;
  c->result = message->data.result;
  return true;
}

void held_dial(held *c) {
  static int n_accepted[PEER_N_KINDS];
  long give_up = now_ms() + PATIENCE_MS;
  c->which = n_accepted[c->peer->kind]++;
  peer_tell(c->peer, PEER_ACCEPT, c->which, 0);
  must(curl_multi_add_handle(c->from->multi, c->easy) == CURLM_OK, "curl_multi_add_handle");
  while (!take_done(c)) {
    must(now_ms() < give_up, "waiting for DONE");
    turn(c->from);
  }
  must(c->result == CURLE_OK, curl_easy_strerror(c->result));
  curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &c->fd);
}

held held_open(holder *h, peer *p) {
  held c = held_new(h, p);
  held_dial(&c);
  must(held_recv(&c).code == CURLE_AGAIN, "the first recv");
  c.client_port = (unsigned)peer_answer(p);
  return c;
}

void held_close(held *c) {
  curl_multi_remove_handle(c->from->multi, c->easy);
  curl_easy_cleanup(c->easy);
  c->easy = NULL;
}

/* ---- bytes --------------------------------------------------------------------------------- */

heard held_recv(held *c) {
  static char room[16384];
  heard h = { .n = 0 };
  h.code = curl_easy_recv(c->easy, room, sizeof room, &h.n);
  if (h.code != CURLE_OK) h.n = 0;
  h.is_text = memcmp(room, peer_text(c->n_heard), h.n) == 0;
  c->n_heard += h.n;
  return h;
}

heard held_hear(held *c) {
  long give_up = now_ms() + PATIENCE_MS;
  heard h = held_recv(c);
  while (h.code == CURLE_AGAIN && now_ms() < give_up) {
    struct pollfd readable = { .fd = c->fd, .events = POLLIN };
    poll(&readable, 1, 20);
    h = held_recv(c);
  }
  return h;
}

CURLcode held_send(held *c, size_t n, size_t *n_taken) {
  *n_taken = 0;
  CURLcode code = curl_easy_send(c->easy, peer_text(c->n_sent), n, n_taken);
  if (code != CURLE_OK) *n_taken = 0;
  c->n_sent += *n_taken;
  return code;
}

bool held_exchange(held *c) {
  size_t n_taken;
  if (held_send(c, N_REQUEST, &n_taken) != CURLE_OK || n_taken != N_REQUEST) return false;
  if (peer_do(c->peer, PEER_READ, c->which, N_REQUEST) != N_REQUEST) return false;
  if (peer_do(c->peer, PEER_WRITE, c->which, N_REPLY) != N_REPLY) return false;
  heard h = held_hear(c);
  return h.code == CURLE_OK && h.n == N_REPLY && h.is_text;
}

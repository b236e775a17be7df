/*
 * What csrc/http relies on in libcurl's CURLOPT_CONNECT_ONLY, asked of the libcurl that is here: a
 * line for each row, "ok" or "MOVED", with what was found where more than one answer will do. None
 * of our own code runs here, and whoever moves to another libcurl sees where it has moved.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"

static const char *const NAMES[PEER_N_KINDS] = { "plain", "TLS 1.2", "TLS 1.3" };
static const char *about; /* of which of them the rows are */
static int n_rows, n_moved;
unsigned libcurl_version;
volatile sig_atomic_t n_sigpipes;

static void begin_row(bool holds, const char *what) {
  printf("%-5s  %-7s  %s", holds ? "ok" : "MOVED", about, what);
  n_rows++;
  n_moved += !holds;
}

void row(bool holds, const char *what) {
  begin_row(holds, what);
  printf("\n");
}

void row_found(bool holds, const char *what, const char *found, ...) {
  va_list values;
  begin_row(holds, what);
  printf(": ");
  va_start(values, found);
  vprintf(found, values);
  va_end(values);
  printf("\n");
}

bool is_tls(const peer *p) {
  return p->kind != PEER_PLAIN;
}

const char *in_words(heard h) {
  if (h.code == CURLE_AGAIN) return "AGAIN";
  if (h.code == CURLE_RECV_ERROR) return "error 56";
  if (h.code != CURLE_OK) return curl_easy_strerror(h.code);
  return h.n == 0 ? "the end" : "bytes";
}

/* ---- the life of a held connection --------------------------------------------------------- */

static void wait_beyond_its_timeouts(held *c) {
  int n_before = c->from->n_callbacks, running = -1, n_left = -1;
  long timeout_ms = 0;
  curl_multi_timeout(c->from->multi, &timeout_ms);
  row(timeout_ms == -1, "no timer while held");
  pause_ms(400);
  curl_multi_socket_action(c->from->multi, CURL_SOCKET_TIMEOUT, 0, &running);
  row(c->from->n_callbacks == n_before && running == 0, "no callback while held");
  row(curl_multi_info_read(c->from->multi, &n_left) == NULL, "nothing more after DONE");
  row(held_exchange(c), "TIMEOUT_MS and CONNECTTIMEOUT_MS end with DONE");
}

static unsigned port_of(curl_socket_t fd) {
  unsigned char address[128] = { 0 };
  socklen_t n = sizeof address;
  getsockname(fd, (struct sockaddr *)address, &n);
  return (unsigned)address[2] << 8 | address[3]; /* sin_port, in the order of the network */
}

static void life(peer *p) {
  holder h = holder_open(false);
  held c = held_new(&h, p);
  curl_easy_setopt(c.easy, CURLOPT_TIMEOUT_MS, 300L);
  curl_easy_setopt(c.easy, CURLOPT_CONNECTTIMEOUT_MS, 300L);
  held_dial(&c);
  row(true, "a dial ends with DONE");
  heard first = held_recv(&c);
  row_found(first.code == CURLE_AGAIN, "recv right after DONE says AGAIN", "%s", in_words(first));
  bool is_watched = false;
  for (int i = 0; i < h.n_watched; i++) is_watched |= h.watched[i].fd == c.fd;
  row(!is_watched, "the socket is out of the callbacks' hands before DONE");
  row(port_of(c.fd) == (unsigned)peer_answer(p), "ACTIVESOCKET is the connection");
  row(fcntl(c.fd, F_GETFL) & O_NONBLOCK, "it does not block");
  wait_beyond_its_timeouts(&c);
  int running = -1;
  peer_do(p, PEER_WRITE, c.which, 100);
  curl_multi_socket_action(h.multi, c.fd, CURL_CSELECT_IN, &running);
  heard h100 = held_hear(&c);
  row(running == 0 && h100.n == 100 && h100.is_text, "socket_action leaves its bytes alone");
  held_close(&c);
  holder_close(&h);
}

/* Before 7.85 libcurl keeps the socket until it wants its place, so we shut it down ourselves. */
static void removal(peer *p) {
  holder h = holder_open(false);
  held c = held_open(&h, p);
  curl_socket_t after = 0;
  char byte;
  size_t n;
  if (libcurl_version < VERSION(7, 85)) shutdown(c.fd, SHUT_RDWR);
  curl_multi_remove_handle(h.multi, c.easy);
  row(peer_do(p, PEER_DRAIN, c.which, 0) == 0, "remove_handle, or our shutdown, ends it at once");
  row(h.n_closed == 1 || libcurl_version < VERSION(7, 85), "and closes its socket");
  curl_easy_getinfo(c.easy, CURLINFO_ACTIVESOCKET, &after);
  CURLcode code = curl_easy_recv(c.easy, &byte, 1, &n);
  row_found(after == CURL_SOCKET_BAD && code != CURLE_OK && code != CURLE_AGAIN,
            "no socket and no recv afterwards", "error %d", (int)code);
  curl_easy_cleanup(c.easy);
  holder_close(&h);
}

/* ---- other dials, a fork ------------------------------------------------------------------- */

/* Held connections older than MAXAGE_CONN, more of them than MAXCONNECTS, with tickets unread. */
static void survives_other_dials(peer *peers, int n_peers) {
  holder h = holder_open(true);
  held old[PEER_N_KINDS], new[PEER_N_KINDS];
  for (int i = 0; i < n_peers; i++) {
    old[i] = held_open(&h, &peers[i]);
    if (peers[i].kind == PEER_TLS13) peer_do(&peers[i], PEER_TICKET, old[i].which, 0);
  }
  pause_ms(2100); /* libcurl counts whole seconds, and looks once in one */
  curl_multi_setopt(h.multi, CURLMOPT_MAXCONNECTS, 1L);
  for (int i = 0; i < n_peers; i++) {
    new[i] = held_new(&h, &peers[i]);
    curl_easy_setopt(new[i].easy, CURLOPT_MAXAGE_CONN, 1L);
    held_dial(&new[i]);
    held_recv(&new[i]);
    new[i].client_port = (unsigned)peer_answer(&peers[i]);
  }
  for (int i = 0; i < n_peers; i++) {
    about = NAMES[peers[i].kind];
    row(held_exchange(&old[i]),
        "a held connection outlives MAXAGE_CONN of another dial, unread tickets or not");
    row(new[i].client_port != old[i].client_port &&held_exchange(&new[i]),
        "a dial takes no held connection");
    held_close(&old[i]);
    held_close(&new[i]);
  }
  holder_close(&h);
}

static void after_fork(peer *p, bool closes, const char *what) {
  holder h = holder_open(false);
  held c = held_open(&h, p);
  pid_t child = fork();
  if (child == 0) {
    if (closes) close(c.fd);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  row(child > 0 && held_exchange(&c), what);
  held_close(&c);
  holder_close(&h);
}

/* ---- TLS alone ----------------------------------------------------------------------------- */

static void sessions(peer *p) {
  holder h = holder_open(true);
  held first = held_open(&h, p);
  held_exchange(&first);
  held second = held_open(&h, p);
  row(peer_do(p, PEER_OFFERED, second.which, 0) == 1, "http/1.1 is all that is offered");
  row(peer_do(p, PEER_RESUMED, second.which, 0) == 1, "the second dial resumes the session");
  held_close(&first);
  held_close(&second);
  holder_close(&h);
}

static void rows_of(peer *p) {
  about = NAMES[p->kind];
  life(p);
  receiving(p);
  sending(p);
  if (is_tls(p)) sessions(p);
  after_fork(p, false, "a forked child may exit");
  after_fork(p, true, "and may close its copy of the socket");
  removal(p);
}

static void count_sigpipe(int signal_number) {
  (void)signal_number;
  n_sigpipes++;
}

int main(void) {
  peer peers[PEER_N_KINDS];
  for (int i = 0; i < PEER_N_KINDS; i++) peers[i] = peer_start((peer_kind)i);
  sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = count_sigpipe }, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);
  curl_global_init(CURL_GLOBAL_ALL);
  libcurl_version = curl_version_info(CURLVERSION_NOW)->version_num;
  printf("%s\n", curl_version());
  for (int i = 0; i < PEER_N_KINDS; i++) rows_of(&peers[i]);
  survives_other_dials(peers, PEER_N_KINDS);
  curl_global_cleanup();
  for (int i = 0; i < PEER_N_KINDS; i++) peer_stop(&peers[i]);
  printf("%d rows, %d moved\n", n_rows, n_moved);
  return n_moved > 0;
}

#define _GNU_SOURCE /* memmem */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "post.h"

#define MAX_REPLY 16384

typedef struct connection {
  CURL *easy;
  size_t n;       /* bytes of the reply so far */
  size_t n_whole; /* of the reply, once its head is here; else 0 */
  char reply[MAX_REPLY];
} connection;

static char request[1024];
static size_t n_request;
static long n_to_start, n_left;

static void write_request(const post_order *order) {
  const char *host = strstr(order->base_url, "://") + 3;
  n_request =
      (size_t)snprintf(request, sizeof request,
                       "POST /v2/messages HTTP/1.1\r\nHost: %.*s\r\n" POST_AUTHORIZATION
                       "\r\nAccept: */*\r\n"
                       "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n" POST_BODY,
                       (int)strcspn(host, "/"), host, sizeof POST_BODY - 1);
}

/* In one write: a request is far below what a socket takes. */
static void send_request(connection *c) {
  size_t n = 0;
  CURLcode code = curl_easy_send(c->easy, request, n_request, &n);
  must(code == CURLE_OK && n == n_request, "the request was not taken");
  c->n = c->n_whole = 0;
  n_to_start--;
}

static void read_head(connection *c) {
  static const char STATUS[] = "HTTP/1.1 200 ", LENGTH[] = "\r\nContent-Length: ";
  const char *end = memmem(c->reply, c->n, "\r\n\r\n", 4);
  if (!end) return;
  must(memcmp(c->reply, STATUS, sizeof STATUS - 1) == 0, "not 200");
  const char *length = memmem(c->reply, (size_t)(end - c->reply), LENGTH, sizeof LENGTH - 1);
  must(length != NULL, "no length");
  c->n_whole = (size_t)(end + 4 - c->reply) + strtoul(length + sizeof LENGTH - 1, NULL, 10);
}

static int is_whole(connection *c) {
  if (c->n_whole == 0) read_head(c);
  must(c->n < MAX_REPLY && (c->n_whole == 0 || c->n <= c->n_whole), "too long");
  return c->n_whole > 0 && c->n == c->n_whole;
}

static void on_ready(void *pointer) {
  connection *c = pointer;
  for (;;) {
    size_t n = 0;
    CURLcode code = curl_easy_recv(c->easy, c->reply + c->n, MAX_REPLY - c->n, &n);
    if (code == CURLE_AGAIN) return;
    must(code == CURLE_OK && n > 0, "no reply");
    c->n += n;
    if (!is_whole(c)) continue;
    n_left--;
    if (n_to_start > 0) send_request(c);
    return;
  }
}

static void dial(post_loop *loop, const post_order *order, connection *c) {
  c->easy = curl_easy_init();
  must(c->easy != NULL, "no handle");
  curl_easy_setopt(c->easy, CURLOPT_URL, order->base_url);
  curl_easy_setopt(c->easy, CURLOPT_CONNECT_ONLY, 1L);
  curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(c->easy, CURLOPT_PRIVATE, c);
  if (order->ca_file) {
    curl_easy_setopt(c->easy, CURLOPT_CAINFO, order->ca_file);
    curl_easy_setopt(c->easy, CURLOPT_CAPATH, NULL); /* with one, the file is read for each dial */
  }
  post_loop_add(loop, c->easy);
}

static void begin_on(post_loop *loop, CURL *easy) {
  connection *c;
  curl_socket_t fd;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &c);
  curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
  struct epoll_event event = { EPOLLIN, { .ptr = c } };
  must(epoll_ctl(loop->fd, EPOLL_CTL_ADD, fd, &event) == 0, "not watched");
  if (n_to_start > 0) send_request(c);
}

void post_by_connection(const post_order *order) {
  int n = order->n_connections;
  connection *connections = calloc((size_t)n, sizeof *connections);
  must(connections != NULL, "no memory");
  write_request(order);
  n_to_start = n_left = order->n_messages;
  post_loop loop;
  post_loop_open(&loop);
  for (int i = 0; i < n; i++) dial(&loop, order, &connections[i]);
  while (n_left > 0) {
    post_loop_turn(&loop, on_ready);
    for (CURL *easy; (easy = post_loop_next_done(&loop)) != NULL;) begin_on(&loop, easy);
  }
  for (int i = 0; i < n; i++) {
    curl_multi_remove_handle(loop.multi, connections[i].easy);
    curl_easy_cleanup(connections[i].easy);
  }
  post_loop_close(&loop);
  free(connections);
}

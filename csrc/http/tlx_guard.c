#define _GNU_SOURCE /* POLLRDHUP, SOCK_CLOEXEC */

#include "tlx_guard.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

struct tlx_socket {
  curl_socket_t fd;
  int local_port; /* 0 until it is asked for */
};

void tlx_sockets_reset(tlx_sockets *sockets) {
  free(sockets->list);
  *sockets = (tlx_sockets){ NULL, 0, 0 };
}

void tlx_sockets_abandon(tlx_sockets *sockets) {
  for (size_t i = 0; i < sockets->n; i++) close(sockets->list[i].fd);
  tlx_sockets_reset(sockets);
}

static bool add_socket(tlx_sockets *sockets, curl_socket_t fd) {
  if (sockets->n == sockets->room) {
    size_t room = sockets->room ? sockets->room * 2 : 8;
    struct tlx_socket *list = realloc(sockets->list, room * sizeof *list);
    if (!list) return false;
    sockets->list = list;
    sockets->room = room;
  }
  sockets->list[sockets->n++] = (struct tlx_socket){ fd, 0 };
  return true;
}

/* Not inherited by programs that the host runs: they would keep the connection open. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
  (void)purpose;
  curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd == CURL_SOCKET_BAD) return fd;
  if (!add_socket(user, fd)) {
    close(fd);
    return CURL_SOCKET_BAD;
  }
  return fd;
}

static int close_socket(void *user, curl_socket_t fd) {
  tlx_sockets *sockets = user;
  for (size_t i = 0; i < sockets->n; i++) {
    if (sockets->list[i].fd != fd) continue;
    sockets->list[i] = sockets->list[--sockets->n];
    break;
  }
  return close(fd);
}

#ifdef TLX_WITHOUT_GUARD /* only ever for showing what happens then */
#define IS_GUARDING false
#else
#define IS_GUARDING true
#endif

#if TLX_HAS_PREREQ

static int local_port(curl_socket_t fd) {
  union {
    struct sockaddr any;
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;
    struct sockaddr_storage room;
  } address = { .room = { 0 } };
  socklen_t size = sizeof address;
  if (getsockname(fd, &address.any, &size) != 0) return 0;
  if (address.any.sa_family == AF_INET) return ntohs(address.ip4.sin_port);
  if (address.any.sa_family == AF_INET6) return ntohs(address.ip6.sin6_port);
  return 0;
}

/* POLLIN would not do: a TLS server's session tickets make a healthy connection readable. */
static bool has_peer_closed(curl_socket_t fd) {
#ifdef POLLRDHUP
  struct pollfd poller = { fd, POLLRDHUP, 0 };
  return poll(&poller, 1, 0) > 0 && (poller.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
#else
  struct pollfd poller = { fd, 0, 0 };
  return poll(&poller, 1, 0) > 0 && (poller.revents & (POLLHUP | POLLERR)) != 0;
#endif
}

static bool is_stale(tlx_sockets *sockets, int port) {
  for (size_t i = 0; i < sockets->n; i++) {
    struct tlx_socket *s = &sockets->list[i];
    if (s->local_port == 0) s->local_port = local_port(s->fd);
    if (s->local_port == port && has_peer_closed(s->fd)) return true;
  }
  return false;
}

static int before_request(void *user, char *remote_ip, char *local_ip, int remote_port, int port) {
  tlx_guard *guard = user;
  (void)remote_ip, (void)local_ip, (void)remote_port;
  if (guard->has_begun && IS_GUARDING) {
    guard->stopped_resend = true;
    return CURL_PREREQFUNC_ABORT;
  }
  if (is_stale(guard->sockets, port) && IS_GUARDING) {
    guard->was_stale = true;
    return CURL_PREREQFUNC_ABORT;
  }
  guard->has_begun = true;
  return CURL_PREREQFUNC_OK;
}

static bool attach_before_request(tlx_guard *guard, CURL *easy) {
  return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_PREREQDATA, guard) == CURLE_OK;
}

#else

static bool attach_before_request(tlx_guard *guard, CURL *easy) {
  (void)guard, (void)easy;
  return false;
}

#endif

bool tlx_guard_attach(tlx_guard *guard, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, guard->sockets);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, guard->sockets);
  return attach_before_request(guard, easy);
}

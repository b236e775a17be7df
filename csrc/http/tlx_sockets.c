#define _GNU_SOURCE /* POLLRDHUP, SOCK_CLOEXEC */

#include "tlx_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

struct tlx_socket {
  curl_socket_t fd;
  int local_port; /* 0 until it is asked for */
  dev_t device;   /* what tells this socket from another file that gets its number later */
  ino_t inode;
};

void tlx_sockets_reset(tlx_sockets *sockets) {
  free(sockets->list);
  *sockets = (tlx_sockets){ .list = NULL };
}

static bool is_same_file(const struct tlx_socket *s) {
  struct stat now;
  return fstat(s->fd, &now) == 0 && now.st_dev == s->device && now.st_ino == s->inode;
}

/* A child that became a daemon has closed everything, and may have files of its own by now. */
void tlx_sockets_abandon(tlx_sockets *sockets) {
  for (size_t i = 0; i < sockets->n; i++) {
    if (is_same_file(&sockets->list[i])) close(sockets->list[i].fd);
  }
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
  struct stat identity = { 0 };
  fstat(fd, &identity);
  sockets->list[sockets->n++] = (struct tlx_socket){ fd, 0, identity.st_dev, identity.st_ino };
  return true;
}

/* Not inherited by programs that the host runs: they would keep the connection open. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
  (void)purpose;
  curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd == CURL_SOCKET_BAD) return fd;
  if (SOCK_CLOEXEC == 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
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

void tlx_sockets_attach(tlx_sockets *sockets, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, sockets);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, sockets);
}

static int local_port_of(curl_socket_t fd) {
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

bool tlx_sockets_is_dead(tlx_sockets *sockets, int local_port) {
  if (local_port <= 0) return false;
  for (size_t i = 0; i < sockets->n; i++) {
    struct tlx_socket *s = &sockets->list[i];
    if (s->local_port == 0) s->local_port = local_port_of(s->fd);
    if (s->local_port == local_port && has_peer_closed(s->fd)) return true;
  }
  return false;
}

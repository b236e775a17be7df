#define _GNU_SOURCE /* EPOLL_CLOEXEC */

#include "tlx_watch.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__) && !defined(TLX_WITHOUT_EPOLL)
#include <sys/epoll.h>
#define HAS_EPOLL 1
#else
#define HAS_EPOLL 0
#endif

/* Up to so many sockets are polled faster than an epoll is kept informed. */
#define FEW 16

#if HAS_EPOLL

static bool open_epoll(tlx_watch *watch) {
  watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  return watch->epoll_fd >= 0;
}

static bool control(const tlx_watch *watch, int operation, const struct pollfd *entry) {
  struct epoll_event event = { .data.fd = entry->fd };
  if (entry->events & POLLIN) event.events |= EPOLLIN;
  if (entry->events & POLLOUT) event.events |= EPOLLOUT;
  return epoll_ctl(watch->epoll_fd, operation, entry->fd, &event) == 0;
}

static void inform(tlx_watch *watch, int operation, const struct pollfd *entry) {
  if (!watch->has_epoll || control(watch, operation, entry)) return;
  if (operation != EPOLL_CTL_DEL) watch->is_blind = true;
}

static void wait_epoll(tlx_watch *watch, int wait_ms) {
  struct epoll_event events[TLX_READY_AT_ONCE];
  int n = epoll_wait(watch->epoll_fd, events, TLX_READY_AT_ONCE, wait_ms);
  for (int i = 0; i < n; i++) {
    short ready = 0;
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) ready |= POLLIN;
    if (events[i].events & EPOLLOUT) ready |= POLLOUT;
    watch->ready[watch->n_ready++] = (struct pollfd){ events[i].data.fd, 0, ready };
  }
}

#else

enum { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL };

static bool open_epoll(tlx_watch *watch) {
  (void)watch;
  return false;
}

static void inform(tlx_watch *watch, int operation, const struct pollfd *entry) {
  (void)watch, (void)operation, (void)entry;
}

static void wait_epoll(tlx_watch *watch, int wait_ms) {
  (void)watch, (void)wait_ms;
}

#endif

static void wait_poll(tlx_watch *watch, int wait_ms) {
  int n = poll(watch->list, (nfds_t)watch->n, wait_ms);
  for (size_t i = 0; i < watch->n && n > 0 && watch->n_ready < TLX_READY_AT_ONCE; i++) {
    if (watch->list[i].revents) watch->ready[watch->n_ready++] = watch->list[i];
  }
}

bool tlx_watch_reserve(tlx_watch *watch, size_t n) {
  if (n <= watch->room) return true;
  size_t room = watch->room ? watch->room : 8;
  while (room < n) room *= 2;
  struct pollfd *list = realloc(watch->list, room * sizeof *list);
  if (!list) return false;
  watch->list = list;
  watch->room = room;
  return true;
}

static struct pollfd *find(const tlx_watch *watch, curl_socket_t fd) {
  for (size_t i = watch->n; i > 0; i--) {
    if (watch->list[i - 1].fd == fd) return &watch->list[i - 1];
  }
  return NULL;
}

static void add(tlx_watch *watch, curl_socket_t fd, short events) {
  /* Where even this fails, what it was for ends by its time limit. */
  if (!tlx_watch_reserve(watch, watch->n + 1)) return;
  watch->list[watch->n] = (struct pollfd){ fd, events, 0 };
  inform(watch, EPOLL_CTL_ADD, &watch->list[watch->n++]);
}

/* Its number may soon be another socket's, which is not ready for the same. */
static void forget_ready(tlx_watch *watch, curl_socket_t fd) {
  for (size_t i = watch->n_told; i < watch->n_ready; i++) {
    if (watch->ready[i].fd == fd) watch->ready[i].revents = 0;
  }
}

static void drop(tlx_watch *watch, struct pollfd *entry) {
  inform(watch, EPOLL_CTL_DEL, entry);
  forget_ready(watch, entry->fd);
  *entry = watch->list[--watch->n];
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *per_socket) {
  tlx_watch *watch = user;
  struct pollfd *entry = find(watch, fd);
  short events = 0;
  (void)easy, (void)per_socket;
  if (what & CURL_POLL_IN) events |= POLLIN;
  if (what & CURL_POLL_OUT) events |= POLLOUT;
  if (what == CURL_POLL_REMOVE) {
    if (entry) drop(watch, entry);
  } else if (!entry) {
    add(watch, fd, events);
  } else {
    entry->events = events;
    inform(watch, EPOLL_CTL_MOD, entry);
  }
  return 0;
}

bool tlx_watch_attach(tlx_watch *watch, CURLM *multi) {
  return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
         curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, watch) == CURLM_OK;
}

void tlx_watch_wait(tlx_watch *watch, long wait_ms) {
  int ms = wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
  watch->n_ready = watch->n_told = 0;
  if (watch->n > FEW) tlx_watch_fd(watch);
  if (watch->has_epoll && !watch->is_blind) {
    wait_epoll(watch, ms);
  } else {
    wait_poll(watch, ms);
  }
}

/* As libcurl's own waiting has it: an error is there to be read. */
static int ready_for(short events) {
  int ready = 0;
  if (events & (POLLIN | POLLHUP | POLLERR)) ready |= CURL_CSELECT_IN;
  if (events & POLLOUT) ready |= CURL_CSELECT_OUT;
  if (events & POLLNVAL) ready |= CURL_CSELECT_ERR;
  return ready;
}

bool tlx_watch_next(tlx_watch *watch, curl_socket_t *fd, int *ready) {
  while (watch->n_told < watch->n_ready) {
    const struct pollfd *entry = &watch->ready[watch->n_told++];
    if (!entry->revents) continue;
    *fd = entry->fd;
    *ready = ready_for(entry->revents);
    return true;
  }
  return false;
}

int tlx_watch_fd(tlx_watch *watch) {
  if (watch->has_epoll) return watch->epoll_fd;
  if (!open_epoll(watch)) return -1;
  watch->has_epoll = true;
  for (size_t i = 0; i < watch->n; i++) inform(watch, EPOLL_CTL_ADD, &watch->list[i]);
  return watch->epoll_fd;
}

void tlx_watch_abandon(tlx_watch *watch) {
  free(watch->list);
  *watch = (tlx_watch){ .list = NULL };
}

void tlx_watch_reset(tlx_watch *watch) {
  if (watch->has_epoll) close(watch->epoll_fd);
  tlx_watch_abandon(watch);
}

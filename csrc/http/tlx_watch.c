#define _GNU_SOURCE /* EPOLL_CLOEXEC */

#include "tlx_watch.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__) && !defined(TLX_WITHOUT_EPOLL)
#include <sys/epoll.h>
#define HAS_EPOLL 1
#else
#define HAS_EPOLL 0
#endif

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

static bool has_room_in_list(tlx_watch *watch) {
  if (watch->n < watch->room) return true;
  size_t room = watch->room ? watch->room * 2 : 8;
  struct pollfd *list = realloc(watch->list, room * sizeof *list);
  if (list) watch->list = list;
  tlx_watched *of = list ? realloc(watch->of, room * sizeof *of) : NULL;
  if (!of) return false;
  watch->of = of;
  watch->room = room;
  return true;
}

static bool has_place_for(tlx_watch *watch, int fd) {
  size_t n = watch->n_places ? watch->n_places : 64;
  if ((size_t)fd < watch->n_places) return true;
  while (n <= (size_t)fd) n *= 2;
  size_t *places = realloc(watch->places, n * sizeof *places);
  if (!places) return false;
  memset(places + watch->n_places, 0, (n - watch->n_places) * sizeof *places);
  watch->places = places;
  watch->n_places = n;
  return true;
}

/* From 1; 0 when it is not watched. */
static size_t place_of(const tlx_watch *watch, int fd) {
  return fd >= 0 && (size_t)fd < watch->n_places ? watch->places[fd] : 0;
}

static bool add(tlx_watch *watch, int fd, short events, void *owner) {
  struct stat identity = { 0 };
  if (!has_room_in_list(watch) || !has_place_for(watch, fd)) return false;
  fstat(fd, &identity);
  tlx_watch_fd(watch);
  watch->list[watch->n] = (struct pollfd){ fd, events, 0 };
  watch->of[watch->n] = (tlx_watched){ owner, identity.st_dev, identity.st_ino };
  inform(watch, EPOLL_CTL_ADD, &watch->list[watch->n]);
  watch->places[fd] = ++watch->n;
  return true;
}

bool tlx_watch_set(tlx_watch *watch, int fd, short events, void *owner) {
  size_t place = place_of(watch, fd);
  if (place == 0) return add(watch, fd, events, owner);
  struct pollfd *entry = &watch->list[place - 1];
  watch->of[place - 1].owner = owner;
  if (entry->events == events) return true;
  entry->events = events;
  inform(watch, EPOLL_CTL_MOD, entry);
  return true;
}

void tlx_watch_drop(tlx_watch *watch, int fd) {
  size_t place = place_of(watch, fd), last = watch->n;
  if (place == 0) return;
  inform(watch, EPOLL_CTL_DEL, &watch->list[place - 1]);
  watch->list[place - 1] = watch->list[last - 1];
  watch->of[place - 1] = watch->of[last - 1];
  watch->places[watch->list[place - 1].fd] = place;
  watch->places[fd] = 0;
  watch->n--;
}

void tlx_watch_wait(tlx_watch *watch, long wait_ms) {
  int ms = wait_ms < INT_MAX ? (int)wait_ms : INT_MAX;
  watch->n_ready = watch->n_told = 0;
  if (watch->has_epoll && !watch->is_blind) {
    wait_epoll(watch, ms);
  } else {
    wait_poll(watch, ms);
  }
}

bool tlx_watch_next(tlx_watch *watch, struct pollfd *ready, void **owner) {
  while (watch->n_told < watch->n_ready) {
    *ready = watch->ready[watch->n_told++];
    size_t place = place_of(watch, ready->fd);
    if (place == 0) continue;
    *owner = watch->of[place - 1].owner;
    return true;
  }
  return false;
}

bool tlx_watch_has_next(const tlx_watch *watch) {
  return watch->n_told < watch->n_ready || watch->n_ready == TLX_READY_AT_ONCE;
}

int tlx_watch_fd(tlx_watch *watch) {
  if (watch->has_epoll) return watch->epoll_fd;
  if (!open_epoll(watch)) return -1;
  watch->has_epoll = true;
  for (size_t i = 0; i < watch->n; i++) inform(watch, EPOLL_CTL_ADD, &watch->list[i]);
  return watch->epoll_fd;
}

static void clear(tlx_watch *watch) {
  free(watch->list);
  free(watch->of);
  free(watch->places);
  *watch = (tlx_watch){ .list = NULL };
}

void tlx_watch_reset(tlx_watch *watch) {
  if (watch->has_epoll) close(watch->epoll_fd);
  clear(watch);
}

static bool is_same_file(int fd, const tlx_watched *watched) {
  struct stat now;
  return fstat(fd, &now) == 0 && now.st_dev == watched->device && now.st_ino == watched->inode;
}

/* A child that became a daemon has closed everything, and may have files of its own by now: an
 * epoll has no identity to tell it by, so that one is left open. */
void tlx_watch_abandon(tlx_watch *watch) {
  for (size_t i = 0; i < watch->n; i++) {
    if (is_same_file(watch->list[i].fd, &watch->of[i])) close(watch->list[i].fd);
  }
  clear(watch);
}

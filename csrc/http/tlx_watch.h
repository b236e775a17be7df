/*
 * Which sockets the engine waits for, libcurl's while it connects and ours afterwards, so that a
 * step costs by what has happened and not by what is open. A host's event loop gets one descriptor
 * for them all. Where there is no epoll, or none to be had, they are polled.
 */
#ifndef TLX_WATCH_H
#define TLX_WATCH_H

#include <poll.h>
#include <sys/types.h>

#include "tlx.h"

#define TLX_READY_AT_ONCE 64

typedef struct tlx_watched {
  void *owner;
  dev_t device; /* what tells this socket from another file that gets its number later */
  ino_t inode;
} tlx_watched;

/* Zeroed by whoever owns it. Not thread-safe. */
typedef struct tlx_watch {
  struct pollfd *list;
  tlx_watched *of; /* of each in the list */
  size_t n, room;
  size_t *places; /* by descriptor: its place in the list, from 1 */
  size_t n_places;
  struct pollfd ready[TLX_READY_AT_ONCE];
  size_t n_ready, n_told; /* what the last wait found, and how many of them were told */
  bool has_epoll;
  bool is_blind; /* the epoll had no room for a socket: the list is polled, and knows them all */
  int epoll_fd;  /* of the same sockets, when has_epoll */
} tlx_watch;

/* Waits for `events` (POLLIN, POLLOUT) on `fd` from now on; `owner` is told with it. Returns false
 * when memory is short: then it is not watched. */
bool tlx_watch_set(tlx_watch *watch, int fd, short events, void *owner);

/* No longer; before the descriptor is closed. */
void tlx_watch_drop(tlx_watch *watch, int fd);

/* Waits until a socket is ready or `wait_ms` have passed; 0 never waits. A signal ends the wait. */
void tlx_watch_wait(tlx_watch *watch, long wait_ms);

/* The next socket that the last wait found ready and that is still watched: what it is ready for,
 * and its owner. A descriptor that was closed and made anew meanwhile may be told though it is not
 * ready. Returns false when there is none; the next wait finds what was not told. */
bool tlx_watch_next(tlx_watch *watch, struct pollfd *ready, void **owner);

/* Whether the last wait found sockets that were not told. */
bool tlx_watch_has_next(const tlx_watch *watch);

/* A descriptor that is readable while a socket is ready, unless the system had no room to watch it.
 * It stays the same until tlx_watch_reset. Returns -1 where there is no epoll, or none to be had.
 */
int tlx_watch_fd(tlx_watch *watch);

/* Frees everything and closes the epoll; closes no socket. */
void tlx_watch_reset(tlx_watch *watch);

/* In the child of a fork: closes the sockets that are watched, so that the parent's peers hear of
 * its ends, but not what has their numbers by now, and leaves the parent's epoll as it is. */
void tlx_watch_abandon(tlx_watch *watch);

#endif

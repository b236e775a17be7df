/*
 * What a multi handle waits for: libcurl says which sockets, and is told which of them are ready,
 * so that a step costs by what has happened and not by what is in flight. A host's event loop gets
 * one descriptor for them all.
 */
#ifndef TLX_WATCH_H
#define TLX_WATCH_H

#include <curl/curl.h>
#include <poll.h>

#include "tlx.h"

#define TLX_READY_AT_ONCE 64

/* Zeroed by whoever owns it, which must outlive the multi handle. Not thread-safe. */
typedef struct tlx_watch {
  struct pollfd *list;
  size_t n, room;
  struct pollfd ready[TLX_READY_AT_ONCE];
  size_t n_ready, n_told; /* what the last wait found, and how many of them were told */
  bool has_epoll;
  bool is_blind; /* the epoll had no room for a socket: the list is polled, and knows them all */
  int epoll_fd;  /* of the same sockets, when has_epoll */
} tlx_watch;

/* Has `multi` say through `watch` what it waits for. Returns false when libcurl cannot. */
bool tlx_watch_attach(tlx_watch *watch, CURLM *multi);

/* Makes room for `n` sockets in all. Returns false when memory is short. */
bool tlx_watch_reserve(tlx_watch *watch, size_t n);

/* Waits until a socket is ready or `wait_ms` have passed; 0 never waits. A signal ends the wait. */
void tlx_watch_wait(tlx_watch *watch, long wait_ms);

/* The next socket that the last wait found ready and that is still watched, with what it is ready
 * for, as curl_multi_socket_action takes it. Returns false when there is none; the next wait finds
 * what there was no room for. */
bool tlx_watch_next(tlx_watch *watch, curl_socket_t *fd, int *ready);

/* A descriptor that is readable while a socket is ready, unless the system had no room to watch it.
 * It stays the same until tlx_watch_reset. Returns -1 where there is no epoll, or none to be had.
 */
int tlx_watch_fd(tlx_watch *watch);

/* Frees the list and the descriptor; closes no socket. */
void tlx_watch_reset(tlx_watch *watch);

/* The same in the child of a fork, which may have closed every descriptor and have others under
 * their numbers: it gives the descriptor up. */
void tlx_watch_abandon(tlx_watch *watch);

#endif

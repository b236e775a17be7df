/*
 * The sockets that one multi handle has open. libcurl does not say which of them it is about to
 * use, only its local port; and a host's event loop wants one descriptor, not many.
 */
#ifndef TLX_SOCKETS_H
#define TLX_SOCKETS_H

#include <curl/curl.h>

#include "tlx.h"

/* Zeroed by whoever owns it, which must outlive every connection. Not thread-safe. */
typedef struct tlx_sockets {
  struct tlx_socket *list;
  size_t n, room;
  bool is_watched;
  int watch_fd; /* an epoll of all of them, when is_watched */
} tlx_sockets;

/* Has `easy` open and close its sockets through `sockets`. */
void tlx_sockets_attach(tlx_sockets *sockets, CURL *easy);

/* Yes when the peer has closed the connection with this local port. Never waits. */
bool tlx_sockets_is_dead(tlx_sockets *sockets, int local_port);

/*
 * A descriptor that becomes readable whenever something happens on one of the sockets. It stays the
 * same until tlx_sockets_reset. Returns -1 where there is no epoll, or none to be had.
 */
int tlx_sockets_watch(tlx_sockets *sockets);

/* Takes note of what happened: the descriptor is not readable until something more does. */
void tlx_sockets_heed(tlx_sockets *sockets);

/* Frees the list and the descriptor; closes no socket. */
void tlx_sockets_reset(tlx_sockets *sockets);

/* Closes every socket without a word to the peer: for the child of a fork. Descriptors of libcurl's
 * own stay open there. */
void tlx_sockets_abandon(tlx_sockets *sockets);

#endif

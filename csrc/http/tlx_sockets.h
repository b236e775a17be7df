/*
 * The sockets that one multi handle has open. libcurl does not say which of them it is about to
 * use, only its local port.
 */
#ifndef TLX_SOCKETS_H
#define TLX_SOCKETS_H

#include <curl/curl.h>

#include "tlx.h"

/* Zeroed by whoever owns it, which must outlive every connection. Not thread-safe. */
typedef struct tlx_sockets {
  struct tlx_socket *list;
  size_t n, room;
} tlx_sockets;

/* Has `easy` open and close its sockets through `sockets`. */
void tlx_sockets_attach(tlx_sockets *sockets, CURL *easy);

/* Yes when the peer has closed the connection with this local port. Never waits. */
bool tlx_sockets_is_dead(tlx_sockets *sockets, int local_port);

/* Frees the list; closes no socket. */
void tlx_sockets_reset(tlx_sockets *sockets);

/* Closes every socket without a word to the peer: for the child of a fork. Descriptors of libcurl's
 * own stay open there. */
void tlx_sockets_abandon(tlx_sockets *sockets);

#endif

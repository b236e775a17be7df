/*
 * The other end of connections: a process of its own on 127.0.0.1 that does with each what it is
 * told, plain or over TLS with a certificate of its own making. It ends with its starter. Start it
 * before any thread.
 *
 * What it reads and writes on a connection is the text of peer_text, from where it stood.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PEER_LONGEST ((size_t)16 << 20) /* of what is read or written at once */

typedef enum peer_kind { PEER_PLAIN, PEER_TLS12, PEER_TLS13, PEER_N_KINDS } peer_kind;

typedef enum peer_verb {
  PEER_ACCEPT,  /* the next connection, and shakes hands; answers the client's port */
  PEER_WRITE,   /* n bytes */
  PEER_READ,    /* n bytes, or fewer at the end; answers how many, PEER_GARBLED or PEER_SILENCE */
  PEER_DRAIN,   /* up to the end; answers likewise */
  PEER_FIN,     /* ends its half of the TCP connection, and says nothing of it in TLS */
  PEER_TICKET,  /* one more session ticket of TLS 1.3 */
  PEER_NOTIFY,  /* close_notify of TLS, and the TCP connection stays */
  PEER_RESET,   /* the TCP connection */
  PEER_CLOSE,   /* the TCP connection, and says nothing of it in TLS */
  PEER_OFFERED, /* answers how many protocols the client offered by ALPN, -1 if others than http/1.1
                 */
  PEER_RESUMED  /* answers whether the TLS session was known */
} peer_verb;

#define PEER_GARBLED (-2L)
#define PEER_SILENCE (-3L) /* neither bytes nor an end for some seconds */

typedef struct peer {
  peer_kind kind;
  unsigned port;
  pid_t pid;
  int line;
} peer;

/* Ends the program when it cannot. */
peer peer_start(peer_kind kind);
void peer_stop(peer *p);

/* Tells it what to do with its connection number `which`, in the order of acceptance from 0,
 * without waiting for the answer; every telling has one. */
void peer_tell(peer *p, peer_verb verb, int which, size_t n);
long peer_answer(peer *p);

/* Both in one. */
long peer_do(peer *p, peer_verb verb, int which, size_t n);

/* PEER_LONGEST bytes, or more, as they stand in a connection's text from `offset` on. */
const char *peer_text(size_t offset);

#endif

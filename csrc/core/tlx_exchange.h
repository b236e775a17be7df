/*
 * One HTTP/1.1 exchange without I/O: one request out, one reply in. Whoever carries it, over
 * libcurl's connections, nginx's or none, asks for the bytes to write and feeds the bytes that came,
 * cut anywhere; it says whether there is more to come, whether the reply is whole, or why none will
 * be. There is no other reader of replies.
 *
 * Strict by RFC 9112; every ceiling is its own. Once it is done or broken, that is final.
 */
#ifndef TLX_EXCHANGE_H
#define TLX_EXCHANGE_H

#include "tlx.h"
#include "tlx_reply.h"

/* All heads of one reply (those of 1xx too) and its trailers together. */
#define TLX_MAX_HEAD_BYTES 65536
/* A chunk's size with its extensions. */
#define TLX_MAX_CHUNK_LINE_BYTES 1024
#define TLX_MAX_INTERIM_REPLIES 64
/* What TLS seals as one piece: until its last byte is handed over, nobody can read any of it. */
#define TLX_SEALED_BYTES 16384

typedef enum tlx_exchange_state {
  TLX_EXCHANGE_MORE,  /* the reply is not whole yet */
  TLX_EXCHANGE_DONE,  /* one whole final reply was read */
  TLX_EXCHANGE_BROKEN /* no whole reply will come of it: the fault says why */
} tlx_exchange_state;

/* Why it is broken: XX(name, kind, what happened). The words follow "the request went out, then: "
 * or stand alone. */
#define TLX_EXCHANGE_FAULTS(XX)                                                                    \
  XX(NONE, NONE, "")                                                                               \
  XX(UNASKED, PROTOCOL, "the other side spoke before it was asked")                                \
  XX(CLOSED, CONNECTION, "the connection was closed before an answer")                             \
  XX(RESET, CONNECTION, "the connection broke before an answer")                                   \
  XX(CUT, CONNECTION, "the connection ended before the answer was whole")                          \
  XX(TIMEOUT, TIMEOUT, "no whole answer came in time")                                             \
  XX(NOT_HTTP, PROTOCOL, "the answer does not begin as HTTP/1.1 does")                             \
  XX(BAD_STATUS, PROTOCOL, "the answer has a status that HTTP does not know")                      \
  XX(HEAD_TOO_LONG, PROTOCOL, "the answer has more than 64 KiB of headers")                        \
  XX(TOO_MANY_INTERIM, PROTOCOL, "the answer keeps promising another one")                         \
  XX(BAD_HEADER, PROTOCOL, "the answer has a header that is none")                                 \
  XX(BAD_LENGTH, PROTOCOL, "the answer has a Content-Length that is none, or several")             \
  XX(BAD_CODING, PROTOCOL, "the answer has a Transfer-Encoding other than chunked")                \
  XX(BAD_CHUNK, PROTOCOL, "the answer has a chunk that does not keep to its size")                 \
  XX(BODY_TOO_LONG, PROTOCOL, "the answer is larger than max_response_bytes allows")               \
  XX(NO_MEMORY, CONNECTION, "memory ran out while the answer arrived")

typedef enum tlx_exchange_fault {
#define XX(name, kind, words) TLX_FAULT_##name,
  TLX_EXCHANGE_FAULTS(XX)
#undef XX
      TLX_N_FAULTS
} tlx_exchange_fault;

/* How a connection ended. */
typedef enum tlx_exchange_ending {
  TLX_ENDING_CLOSE,  /* an orderly end; with TLS, one that was announced */
  TLX_ENDING_BREAK,  /* a reset, or an end that was not announced */
  TLX_ENDING_TIMEOUT /* it has not ended, but nobody waits any longer */
} tlx_exchange_ending;

/* Bytes of a reply's body, never more than `max`; on the heap. */
typedef struct tlx_exchange_body {
  char *bytes;
  size_t n, room, max;
} tlx_exchange_body;

/* Caller-owned, freed by tlx_exchange_free. Others read it through the functions below. */
typedef struct tlx_exchange {
  tlx_str request;
  size_t n_written;
  bool is_sealed, was_offered;
  tlx_exchange_state state;
  tlx_exchange_fault fault;
  tlx_reply reply;
  tlx_exchange_body body;
  struct tlx_exchange_reader {
    int place; /* what comes next; the reader's own */
    tlx_reply interim; /* a 1xx head, which nobody reads */
    size_t n_head, n_line, n_left;
    int n_interim;
    unsigned flags;
    char *line; /* the one that is being collected */
    size_t line_room;
  } reader;
} tlx_exchange;

/*
 * Begins one.
 *
 * request            The whole of it, head and body; not copied: it stays where it is until the
 *                    exchange is freed and the connection that was offered it is gone.
 * is_sealed          The connection is TLS: what of it was not taken whole, record by record,
 *                    nobody can read.
 * max_response_bytes Of the body.
 */
void tlx_exchange_init(tlx_exchange *exchange, tlx_str request, bool is_sealed,
                       size_t max_response_bytes);

/* Frees the body. Zeroed memory is allowed. */
void tlx_exchange_free(tlx_exchange *exchange);

/* What is to be written next: the rest of the request, always up to its end; empty when it is
 * written, or when the exchange is done or broken. Counts as offered from then on: see has_begun. */
tlx_str tlx_exchange_offer(tlx_exchange *exchange);

/* The connection took so many bytes of what was offered. */
void tlx_exchange_wrote(tlx_exchange *exchange, size_t n);

/* The connection refused what was offered, after it may have taken some of it: nobody can say how
 * much. For carriers that do not count. */
void tlx_exchange_tore(tlx_exchange *exchange);

/*
 * Reads bytes that came, any number of them.
 *
 * Returns how it stands. Bytes that come before anybody can have read a byte of the request break
 * it as unasked: nothing was sent. Bytes beyond the reply are dropped, and the connection is not
 * good for another exchange then. Memory that runs out breaks it.
 */
tlx_exchange_state tlx_exchange_feed(tlx_exchange *exchange, tlx_str bytes);

/* No more bytes will come. A body that goes on to the end of the connection is whole then, if the
 * end was an orderly one; everything else that was not whole is broken. */
tlx_exchange_state tlx_exchange_end(tlx_exchange *exchange, tlx_exchange_ending ending);

/*
 * Whether anybody may have read a byte of the request. A plain connection counts what the system
 * took, and the peer can have at most that. A TLS record is authenticated whole: until its last byte
 * is taken, nobody can decrypt any of it. Whoever answers has read something.
 */
bool tlx_exchange_has_begun(const tlx_exchange *exchange);

/* Whether the request was handed over whole. */
bool tlx_exchange_is_written(const tlx_exchange *exchange);

/* Whether another exchange may follow on the connection: RFC 9112 §9.3, and nothing odd about the
 * reply; the request was written whole, and nothing came beyond the reply. */
bool tlx_exchange_is_reusable(const tlx_exchange *exchange);

/* For tlx_judge. */
tlx_carriage tlx_exchange_carriage(const tlx_exchange *exchange);

/* What arrived of the body. A view that lives until the exchange is freed. */
tlx_str tlx_exchange_body_of(const tlx_exchange *exchange);

/* Why it is broken, in words for a person; "" when it is not. Static. */
const char *tlx_exchange_cause(const tlx_exchange *exchange);

#endif

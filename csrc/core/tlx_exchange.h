/*
 * One HTTP/1.1 exchange without I/O: one request out, one reply in. Whoever carries it, over
 * libcurl's connections, nginx's or none, asks for the bytes to write and feeds the bytes that
 * came, cut anywhere; it says whether there is more to come, whether the reply is whole, or why
 * none will be. There is no other reader of replies.
 *
 * Strict by RFC 9112; every ceiling is its own. Once it is done or broken, that is final.
 */
#ifndef TLX_EXCHANGE_H
#define TLX_EXCHANGE_H

#include "tlx.h"
#include "tlx_reader.h"
#include "tlx_reply.h"

/* What TLS seals as one piece: until its last byte is handed over, nobody can read any of it. */
#define TLX_SEALED_BYTES 16384

/* How a connection ended. */
typedef enum tlx_exchange_ending {
  TLX_ENDING_CLOSE,  /* an orderly end; with TLS, one that was announced */
  TLX_ENDING_BREAK,  /* a reset, or an end that was not announced */
  TLX_ENDING_TIMEOUT /* it has not ended, but nobody waits any longer */
} tlx_exchange_ending;

/* Caller-owned, freed by tlx_exchange_free. Others read it through the functions below. */
typedef struct tlx_exchange {
  tlx_str request;
  size_t n_written;
  bool is_sealed, was_offered, was_torn;
  bool is_last; /* no other exchange may follow, whatever the reply says */
  tlx_reader reader;
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
 * written, once a final status was read, and when the exchange is broken. Counts as offered from
 * then on: see has_begun. */
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
 * took, and the peer can have at most that. A TLS record is authenticated whole: until its last
 * byte is taken, nobody can decrypt any of it. Whoever answers has read something.
 */
bool tlx_exchange_has_begun(const tlx_exchange *exchange);

/* Whether the request was handed over whole. */
bool tlx_exchange_is_written(const tlx_exchange *exchange);

/* Whether another exchange may follow on the connection: RFC 9112 §9.3, and nothing odd about the
 * reply; the request was written whole, and nothing came beyond the reply. */
bool tlx_exchange_is_reusable(const tlx_exchange *exchange);

/* How it stands. */
tlx_exchange_state tlx_exchange_state_of(const tlx_exchange *exchange);

/* What is known of the reply's head. A view that lives as long as the exchange. */
const tlx_reply *tlx_exchange_reply(const tlx_exchange *exchange);

/* For tlx_judge. */
tlx_carriage tlx_exchange_carriage(const tlx_exchange *exchange);

/* What arrived of the body. A view that lives until the exchange is freed. */
tlx_str tlx_exchange_body_of(const tlx_exchange *exchange);

/* Why it is broken, in words for a person; "" when it is not. Static. */
const char *tlx_exchange_cause(const tlx_exchange *exchange);

#endif

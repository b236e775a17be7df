/*
 * Carries requests: each is one exchange on one connection, and no path leads from a request of
 * which a byte was taken to another connection. libcurl makes the connections; the HTTP is ours.
 *
 * One engine drives any number of transfers; a blocking send is a start and steps until it is done.
 * An engine and its transfers belong to one thread at a time. After a fork the child's engine
 * starts anew and shares no connection with its parent.
 */
#ifndef TLX_HTTP_H
#define TLX_HTTP_H

#include "tlx.h"
#include "tlx_reply.h"
#include "tlx_request.h"

typedef struct tlx_http tlx_http;
typedef struct tlx_transfer tlx_transfer;

/* Copied by tlx_http_new. */
typedef struct tlx_http_settings {
  tlx_target target;   /* of every request */
  const char *ca_file; /* PEM bundle to trust; NULL: libcurl's own */
  const char *proxy;   /* NULL: from the environment; "": none */
  size_t max_response_bytes;
  size_t max_connections; /* open at once, at least 1; more transfers wait for one */
} tlx_http_settings;

/* For one transfer. */
typedef struct tlx_http_limits {
  long deadline_ms;        /* from the start to the last byte of the reply; at least 1 */
  long timeout_ms;         /* the same from when a connection is at hand; at least 1 */
  long connect_timeout_ms; /* name look-up, connection, TLS, once it is begun; at least 1 */
  bool fresh;              /* do not use a connection that is kept alive */
} tlx_http_limits;

/* Returns an engine, or NULL when memory is short. Opens nothing yet. Its copies of the headers, in
 * requests too, are wiped when they are freed. */
tlx_http *tlx_http_new(const tlx_http_settings *settings);

/* Closes every connection. Transfers still in flight end, as they stand; they stay their owners'
 * to free. NULL is allowed. */
void tlx_http_free(tlx_http *http);

/*
 * Begins one request.
 *
 * post       What it views is copied.
 * recipient  Of a message; of another request what its reply names, an id for example. Copied. A
 * reply in which it does not stand is the last on its connection.
 * owner      What tlx_transfer_owner gives back; not looked at. NULL where the caller waits for
 * this transfer himself: tlx_http_finished will not return it. Returns a transfer, which the caller
 * frees, or NULL when memory is short: then nothing was sent.
 */
tlx_transfer *tlx_http_start(tlx_http *http, const tlx_post *post, tlx_str recipient,
                             const tlx_http_limits *limits, void *owner);

/*
 * Drives every transfer in flight until one is done or `wait_ms` have passed. 0 never waits, and
 * leaves off after TLX_STEP_BUDGET_MS: then the timeout is 0, since there is more to do.
 * Returns how many are still in flight. Calls nothing of the caller's.
 */
size_t tlx_http_step(tlx_http *http, long wait_ms);

/* What a step that does not wait may take of a frame. */
#define TLX_STEP_BUDGET_MS 0.3

/*
 * A descriptor that becomes readable when a step has something to do, for a host's event loop; -1
 * where there is none (no epoll). It is the engine's to close, and another one after a fork.
 */
int tlx_http_fd(tlx_http *http);

/* Milliseconds after which a step is due even if the descriptor is not readable; -1 when nothing is
 * in flight and nothing is done that was not handed out. */
long tlx_http_timeout_ms(tlx_http *http);

/* The next transfer that is done and has not been handed out, or NULL. */
tlx_transfer *tlx_http_finished(tlx_http *http);

bool tlx_transfer_is_done(const tlx_transfer *transfer);

/* Whether anybody may have read a byte of it. */
bool tlx_transfer_has_begun(const tlx_transfer *transfer);

void *tlx_transfer_owner(const tlx_transfer *transfer);

/* Takes one that is done as handed out: tlx_http_finished will not return it. */
void tlx_transfer_claim(tlx_transfer *transfer);

/* Abandons it if it is in flight. Valid before and after its engine is freed. NULL is allowed. */
void tlx_transfer_free(tlx_transfer *transfer);

/* What came of a transfer that is done. Views live as long as the transfer. */
typedef struct tlx_transfer_result {
  tlx_carriage carriage;
  bool was_stale; /* a connection that was kept alive broke before it began */
  const tlx_reply *reply;
  tlx_str body;      /* what arrived of it */
  bool was_waiting;  /* it ended while it waited for a connection */
  const char *cause; /* words for a person when the reply is not whole, otherwise "" */
  tlx_str recipient; /* as it was given to tlx_http_start */
} tlx_transfer_result;

tlx_transfer_result tlx_transfer_result_of(const tlx_transfer *transfer);

/* The version of libcurl as it runs, such as "7.88.1". Static. */
const char *tlx_http_library_version(void);

#endif

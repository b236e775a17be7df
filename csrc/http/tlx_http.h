/*
 * Carries requests over libcurl: at most one POST for each transfer, whatever the network does.
 *
 * One engine drives any number of transfers on one curl_multi handle; a blocking send is a start
 * and steps until it is done. An engine and its transfers belong to one thread at a time. After a
 * fork the child's engine starts anew and shares no connection with its parent.
 */
#ifndef TLX_HTTP_H
#define TLX_HTTP_H

#include "tlx.h"
#include "tlx_reply.h"

typedef struct tlx_http tlx_http;
typedef struct tlx_transfer tlx_transfer;

typedef struct tlx_http_header {
  tlx_str name, value;
} tlx_http_header;

/* Copied by tlx_http_new. Views hold no NUL, CR or LF. */
typedef struct tlx_http_settings {
  tlx_str url;
  const tlx_http_header *headers;
  size_t n_headers;
  const char *ca_file; /* PEM bundle to trust; NULL: libcurl's own */
  const char *proxy;   /* NULL: from the environment; "": none */
  size_t max_response_bytes;
} tlx_http_settings;

/* For one transfer. */
typedef struct tlx_http_limits {
  long timeout_ms;         /* from the start to the last byte of the reply; at least 1 */
  long connect_timeout_ms; /* name look-up, connection, TLS; at least 1 */
  bool fresh;              /* do not use a connection that is kept alive */
} tlx_http_limits;

/* Returns an engine, or NULL when memory is short. Opens nothing yet. Its own copies of
 * the header values are wiped when it is freed; libcurl's buffers are not. */
tlx_http *tlx_http_new(const tlx_http_settings *settings);

/* Closes every connection. Transfers still in flight end, as they stand; they stay their owners'
 * to free. NULL is allowed. */
void tlx_http_free(tlx_http *http);

/*
 * Begins one POST.
 *
 * body   Copied.
 * owner  What tlx_transfer_owner gives back; not looked at.
 * Returns a transfer, which the caller frees, or NULL when memory is short: then nothing was sent.
 */
tlx_transfer *tlx_http_start(tlx_http *http, tlx_str body, const tlx_http_limits *limits,
                             void *owner);

/*
 * Drives every transfer in flight until one is done or `wait_ms` have passed; 0 never waits.
 * Returns how many are still in flight. Calls nothing of the caller's.
 */
size_t tlx_http_step(tlx_http *http, long wait_ms);

/*
 * A descriptor that becomes readable when a step has something to do, for a host's event loop; -1
 * where there is none (no epoll). It is the engine's to close, and another one after a fork.
 */
int tlx_http_fd(tlx_http *http);

/* Milliseconds after which a step is due even if the descriptor is not readable; -1 when nothing is
 * in flight. Milliseconds, since that is what libcurl's own clock counts. */
long tlx_http_timeout_ms(tlx_http *http);

/* The next transfer that is done and has not been handed out, or NULL. */
tlx_transfer *tlx_http_finished(tlx_http *http);

bool tlx_transfer_is_done(const tlx_transfer *transfer);

void *tlx_transfer_owner(const tlx_transfer *transfer);

/* Takes one that is done as handed out: tlx_http_finished will not return it. */
void tlx_transfer_claim(tlx_transfer *transfer);

/* Abandons it if it is in flight. Valid before and after its engine is freed. NULL is allowed. */
void tlx_transfer_free(tlx_transfer *transfer);

/* What came of a transfer that is done. Views live as long as the transfer. */
typedef struct tlx_transfer_result {
  tlx_carriage carriage;
  bool was_stale; /* ended before it began: the kept-alive connection was closed */
  const tlx_reply *reply;
  tlx_str body;      /* what arrived of it */
  const char *cause; /* words for a person when the reply is not whole, otherwise "" */
} tlx_transfer_result;

tlx_transfer_result tlx_transfer_result_of(const tlx_transfer *transfer);

/* The version of libcurl as it runs, such as "7.88.1". Static. */
const char *tlx_http_library_version(void);

#endif

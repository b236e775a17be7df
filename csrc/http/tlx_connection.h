/*
 * One connection, made by libcurl: names, addresses, proxies, TLS and who is trusted are its
 * business (CURLOPT_CONNECT_ONLY), and HTTP is not. Bytes go out and in by tlx_connection_send and
 * _receive, which never wait.
 */
#ifndef TLX_CONNECTION_H
#define TLX_CONNECTION_H

#include <curl/curl.h>

#include "tlx.h"
#include "tlx_list.h"
#include "tlx_record.h"

/* What all connections of an engine have in common. */
typedef struct tlx_dialler {
  char *url;   /* scheme, host and port */
  char *place; /* host and port, for messages */
  bool is_tls;
  bool is_sealed; /* TLS may lie between, if only with a proxy */
  char *ca_file;  /* PEM bundle to trust; NULL: libcurl's own */
  char *proxy;    /* NULL: from the environment; "": none */
  CURLM *multi;   /* NULL until the first connection */
  CURLSH *share;  /* of TLS sessions, so that a second connection costs less */
  size_t n_dialling;
  tlx_openssl openssl;
} tlx_dialler;

typedef struct tlx_connection {
  tlx_link link; /* in the pool */
  CURL *easy;
  int fd; /* -1 until it is made */
  bool is_dialling;
  bool is_tls;
  bool has_served; /* an exchange before this one */
  bool is_over;    /* its first end or error is final */
  bool is_mute;    /* it took no more of what was sent */
  bool had_no_descriptor;
  const tlx_openssl *openssl;
  void *transfer; /* whom it serves, or NULL */
  double silent_since_ms;
  char error[CURL_ERROR_SIZE]; /* libcurl's own words */
} tlx_connection;

typedef enum tlx_io {
  TLX_IO_DONE,   /* some bytes, at least one */
  TLX_IO_AGAIN,  /* none now */
  TLX_IO_CLOSED, /* the other side ended it in order */
  TLX_IO_BROKEN
} tlx_io;

/* Begins to connect, within `timeout_ms`. NULL when memory is short. Its end is told by
 * tlx_connection_made. */
tlx_connection *tlx_connection_dial(tlx_dialler *dialler, long timeout_ms);

/* The next connection that libcurl has made or given up, and libcurl's code; NULL when there is
 * none. One that was made can be used at once. */
tlx_connection *tlx_connection_made(tlx_dialler *dialler, CURLcode *code);

/* Sends `bytes`, of which `n` were taken; when there was no room for them, the same bytes must be
 * offered again. */
tlx_io tlx_connection_send(tlx_connection *connection, tlx_str bytes, size_t *n);

/* Receives at most `size` bytes, of which there may be more although no poll shows them: ask until
 * it says again. */
tlx_io tlx_connection_receive(tlx_connection *connection, char *bytes, size_t size, size_t *n);

/* Whether nothing can be received: neither bytes nor an end. Takes in what TLS has for itself. */
bool tlx_connection_is_quiet(tlx_connection *connection);

/* Whether nothing at all has come, also no part of what TLS could not open yet. What TLS sends for
 * itself counts too. */
bool tlx_connection_is_silent(tlx_connection *connection);

/* Closes it, made or not, and frees it. It must not be watched any more. */
void tlx_connection_close(tlx_dialler *dialler, tlx_connection *connection);

/* Closes libcurl's handles; every connection must be closed by then. */
void tlx_dialler_reset(tlx_dialler *dialler);

#endif

/*
 * Connections that libcurl dials and then only holds (CURLOPT_CONNECT_ONLY), in one multi that is
 * driven by curl_multi_socket_action. Everything here ends the program when it cannot.
 */
#ifndef HELD_H
#define HELD_H

#include <curl/curl.h>
#include <poll.h>
#include <stdbool.h>

#include "peer.h"

#define HOLDER_MAX_WATCHED 16

typedef struct holder {
  CURLM *multi;
  CURLSH *share; /* of TLS sessions; NULL for none */
  struct pollfd watched[HOLDER_MAX_WATCHED];
  int n_watched;
  long timer_ms; /* what libcurl asked for last */
  int n_callbacks;
  int n_closed; /* sockets that libcurl has closed */
} holder;

typedef struct held {
  holder *from;
  peer *peer;
  int which; /* the peer's number of the connection */
  CURL *easy;
  curl_socket_t fd;
  CURLcode result; /* of the dial */
  size_t n_sent, n_heard;
  unsigned client_port; /* as the peer sees it */
} held;

/* Bytes, the end (CURLE_OK and none), an error, or CURLE_AGAIN. */
typedef struct heard {
  CURLcode code;
  size_t n;
  bool is_text; /* those bytes are the next ones of the peer's text */
} heard;

holder holder_open(bool with_share);
void holder_close(holder *h);

/* An easy handle that will dial `p`; options may be added before held_dial. */
held held_new(holder *h, peer *p);

/* Dials to the end, and has the peer accept it. */
void held_dial(held *c);

/* Both, and the recv after it that makes a held connection libcurl's last word. */
held held_open(holder *h, peer *p);

/* Takes the easy handle out and frees it; what closes the connection is libcurl. */
void held_close(held *c);

/* curl_easy_recv once; and until it says anything but CURLE_AGAIN, for some seconds. */
heard held_recv(held *c);
heard held_hear(held *c);

/* curl_easy_send once, of the next `n` bytes of our text. */
CURLcode held_send(held *c, size_t n, size_t *n_taken);

/* A request of 63 bytes and a reply of 20, both whole. */
bool held_exchange(held *c);

void pause_ms(int ms);

#endif

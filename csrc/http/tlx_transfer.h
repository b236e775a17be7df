/* One POST on its way: what the engine and libcurl's callbacks share. Internal to this folder. */
#ifndef TLX_TRANSFER_H
#define TLX_TRANSFER_H

#include <curl/curl.h>

#include "tlx_guard.h"
#include "tlx_http.h"

#define TLX_MAX_HEAD_BYTES 65536

/* Bytes of a reply's body, never more than `max`. */
typedef struct tlx_body {
  char *bytes;
  size_t n, room, max;
} tlx_body;

struct tlx_transfer {
  tlx_http *http; /* NULL once the engine is gone */
  void *owner;
  tlx_transfer *before, *after; /* neighbours in the engine's list */
  CURL *easy;                   /* NULL when done */
  bool is_done, is_listed;
  bool is_guarded; /* false where libcurl, as it runs, is too old for the guard */
  bool is_body_too_big, is_head_too_big, is_memory_short;
  tlx_guard guard;
  tlx_carriage carriage;
  tlx_reply reply;
  tlx_body body;
  size_t n_head_bytes;
  const char *cause;
  char error[CURL_ERROR_SIZE];
  size_t n_request;
  char request[]; /* the body of the POST */
};

/* A transfer of this body, not yet prepared; NULL when memory is short. */
tlx_transfer *tlx_transfer_new(tlx_str body);

/*
 * Sets on a new `easy`, whose sockets are `sockets`, what all transfers have in common. Returns
 * false where libcurl, as it runs, is too old for the guard: then each needs a connection of its
 * own.
 */
bool tlx_transfer_equip(CURL *easy, tlx_sockets *sockets);

/* Sets on `easy` what belongs to this transfer alone. Returns false when libcurl cannot. */
bool tlx_transfer_prepare(tlx_transfer *transfer, const tlx_http_limits *limits);

/* Judges what libcurl reported and lets go of `easy`, which the engine keeps for another. */
void tlx_transfer_finish(tlx_transfer *transfer, CURLcode code);

/* Ends it as it stands, for a reason of ours: static words. */
void tlx_transfer_end(tlx_transfer *transfer, const char *cause);

#endif

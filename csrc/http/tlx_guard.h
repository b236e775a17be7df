/*
 * The once-only guard. libcurl sends a request again, by itself and whatever the method, when a
 * reused connection dies before the first byte of the reply; no option turns that off. The guard
 * stands where libcurl is about to write a request (CURLOPT_PREREQFUNCTION) and lets one request
 * through for each transfer, and none onto a connection that the peer has already closed.
 */
#ifndef TLX_GUARD_H
#define TLX_GUARD_H

#include <curl/curl.h>

#include "tlx.h"
#include "tlx_sockets.h"

#if LIBCURL_VERSION_NUM >= 0x075000 && !defined(TLX_WITHOUT_PREREQ)
#define TLX_HAS_PREREQ 1
#else
#define TLX_HAS_PREREQ 0
#endif

/* What the guard saw of one transfer. Zeroed before each. */
typedef struct tlx_guard {
  tlx_sockets *sockets;
  bool has_begun;      /* a request was let through */
  bool was_stale;      /* the connection was closed by the peer before anything was written */
  bool stopped_resend; /* libcurl wanted to write the request a second time */
} tlx_guard;

/* Puts the guard on a new `easy`. Returns false where libcurl, as it runs, is too old for it: then
 * every transfer needs a connection of its own. */
bool tlx_guard_install(CURL *easy);

/* Has the guard of `easy` watch one transfer, which `guard` must outlive. */
void tlx_guard_attach(tlx_guard *guard, CURL *easy);

#endif

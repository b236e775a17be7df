/*
 * What TLS holds of a record that is not whole yet: bytes have come, and no receive shows them. Only
 * the TLS library knows. Asked is OpenSSL (SSL_has_pending, since 1.1.0), through libcurl's
 * CURLINFO_TLS_SSL_PTR; of another library nothing is known.
 */
#ifndef TLX_RECORD_H
#define TLX_RECORD_H

#include <curl/curl.h>
#include <stdbool.h>

/* OpenSSL's own, which takes an SSL. */
typedef int tlx_record_asked(const void *ssl);

/* The function of that OpenSSL which libcurl uses, or NULL: there may be several in a process.
 * Looks it up anew each time. */
tlx_record_asked *tlx_record_find(void);

/* Whether a part of a record has come on a connection on which a receive has just found nothing. */
bool tlx_record_is_begun(CURL *easy, tlx_record_asked *has_pending);

#endif

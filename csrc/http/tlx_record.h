/*
 * What TLS holds of a record that is not whole yet: bytes have come, and no receive shows them.
 * Only the TLS library knows. Asked is OpenSSL, through libcurl's CURLINFO_TLS_SSL_PTR, by
 * functions that are looked up, since there may be several OpenSSLs in a process; of another
 * library nothing is known. Of TLS with a proxy neither.
 */
#ifndef TLX_RECORD_H
#define TLX_RECORD_H

#include <curl/curl.h>
#include <stdbool.h>

/* The functions of that OpenSSL which libcurl uses, or NULLs. Two take an SSL. */
typedef struct tlx_openssl {
  int (*has_pending)(const void *ssl);        /* SSL_has_pending, since 1.1.0 */
  const char *(*read_state)(const void *ssl); /* SSL_rstate_string */
  void (*clear_errors)(void);                 /* ERR_clear_error */
} tlx_openssl;

tlx_openssl tlx_record_library(void);

/* Whether it can be told at all what TLS holds on a connection that was made. */
bool tlx_record_is_known(CURL *easy, const tlx_openssl *openssl);

/* Whether TLS holds anything that was not received, a whole record or part of one. */
bool tlx_record_is_held(CURL *easy, const tlx_openssl *openssl);

/* What closing a connection leaves in OpenSSL's list of errors would be taken for another's. */
void tlx_record_forget_errors(const tlx_openssl *openssl);

#endif

/* Where messages go and with which key: what `base_url` and `api_key` may be. */
#ifndef TLX_ENDPOINT_H
#define TLX_ENDPOINT_H

#include "tlx.h"

#define TLX_DEFAULT_BASE_URL "https://api.telnyx.com/v2"

/* A base URL taken apart; views into it. */
typedef struct tlx_endpoint {
  bool is_https;
  /* An IPv4 address of 127/8 in its four octets, [::1], or localhost in any case. Never through a
     proxy that only the environment names. */
  bool is_loopback;
  tlx_str host; /* an IPv6 address keeps its brackets */
  unsigned port;
  tlx_str path; /* before "/messages", without a slash at its end; "/v2" when none was given */
} tlx_endpoint;

/*
 * Takes `base_url` apart.
 *
 * allow_http  Whether plain http may leave the machine; loopback always may.
 * endpoint    Views into `base_url`, written only on success.
 * Returns NULL, or what is wrong, as static words to follow "base_url must". Thread-safe.
 */
const char *tlx_endpoint_parse(tlx_str base_url, bool allow_http, tlx_endpoint *endpoint);

/* NULL when `key` can stand in a header, otherwise static words to follow "api_key must".
 * They never hold the key. */
const char *tlx_api_key_fault(tlx_str key);

#endif

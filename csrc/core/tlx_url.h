/*
 * A URL of http or https taken apart: the one reader of them, for where messages are sent and for
 * what they name. RFC 3986, with hosts as their owners write them: names may hold letters beyond
 * ASCII (IDN), an IPv6 address stands in brackets. Thread-safe, never allocates.
 */
#ifndef TLX_URL_H
#define TLX_URL_H

#include "tlx.h"

/* Views into what was read. */
typedef struct tlx_url {
  bool is_https;
  bool has_user; /* a user name, or an empty one, before an @ */
  tlx_str host;  /* an IPv6 address keeps its brackets */
  tlx_str port;  /* digits; empty when there is none, or none after the colon */
  bool has_colon;
  tlx_str rest; /* from the first / ? # on; may be empty */
} tlx_url;

/*
 * Takes `text` apart.
 *
 * text  Any bytes; that they are UTF-8 is another's to check.
 * url   Of use only on success.
 * Returns NULL, or what is wrong, as static words to follow "must".
 */
const char *tlx_url_parse(tlx_str text, tlx_url *url);

/* The port, or the scheme's own when none is given. */
unsigned tlx_url_port(const tlx_url *url);

/* An IPv4 address of 127/8 in its four octets, [::1], or localhost in any case. */
bool tlx_host_is_loopback(tlx_str host);

/* This machine, a network that is not global, or a name that is never public: RFC 6761, 6762, 6890;
 * and a name without a dot, or whose last label begins with a digit. */
bool tlx_host_is_private(tlx_str host);

#endif

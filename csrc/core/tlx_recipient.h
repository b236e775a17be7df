/*
 * Whose a reply is. HTTP/1.1 has nothing that ties a reply to its request but the order on the
 * connection, so bytes that came unasked, and crossed a request, would pass for its reply, and the
 * true reply for that of the next. The service repeats the recipient in what it answers to a
 * message that it has accepted: where it does not stand, the connection is not used again. C99, no
 * clock. Source: Telnyx, "Send a message", the `to` of request and response.
 */
#ifndef TLX_RECIPIENT_H
#define TLX_RECIPIENT_H

#include "tlx.h"

/* Whether the recipient stands in the bytes as a string of JSON. False for an empty one. Numbers
 * and short codes need no escapes. */
bool tlx_recipient_is_named(tlx_str recipient, tlx_str bytes);

#endif

/* What the parts of conformance.c share. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <signal.h>

#include "held.h"
#include "peer.h"

#define VERSION(major, minor) ((major) << 16 | (minor) << 8)

extern unsigned libcurl_version;
extern volatile sig_atomic_t
    n_sigpipes; /* that have come; whoever expects some sets it back to 0 */

/* Tells whether `what` holds; row_found also what was found, as printf does. */
void row(bool holds, const char *what);
void row_found(bool holds, const char *what, const char *found, ...)
    __attribute__((format(printf, 3, 4)));

bool is_tls(const peer *p);
const char *in_words(heard h);

/* The rows of curl_easy_recv and of curl_easy_send. */
void receiving(peer *p);
void sending(peer *p);

#endif

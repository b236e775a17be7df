/* Why a connection could not be made, in sentences of our own: libcurl's quote a proxy's URL with
 * its password, and speak of what it would have done next. */
#ifndef TLX_CAUSE_H
#define TLX_CAUSE_H

#include "tlx_connection.h"

#define TLX_MAX_CAUSE 400

/* Writes the cause, with a NUL, into `words`. `code` is what tlx_connection_made gave. */
void tlx_cause_of(const tlx_dialler *dialler, const tlx_connection *connection, CURLcode code,
                  char words[TLX_MAX_CAUSE]);

/* Whether it is that time ran out. */
bool tlx_cause_is_timeout(CURLcode code);

#endif

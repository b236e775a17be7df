/* The reading half of an exchange: used by tlx_exchange.c alone. */
#ifndef TLX_READER_H
#define TLX_READER_H

#include "tlx_exchange.h"

/* Ends it here; what was read stays. */
void tlx_exchange_break(tlx_exchange *exchange, tlx_exchange_fault fault);

/* Reads on until the bytes are used up or it is done or broken. Returns those beyond. */
tlx_str tlx_exchange_read(tlx_exchange *exchange, tlx_str bytes);

/* Whether the body goes on to the end of the connection. */
bool tlx_exchange_reads_to_end(const tlx_exchange *exchange);

#endif

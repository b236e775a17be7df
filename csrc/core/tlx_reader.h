/*
 * Reads one reply, cut anywhere, as RFC 9112 has it: heads line by line, then the body. Keeps its
 * place between pieces and reads no byte twice.
 */
#ifndef TLX_READER_H
#define TLX_READER_H

#include "tlx.h"
#include "tlx_buffer.h"
#include "tlx_faults.h"
#include "tlx_head.h"
#include "tlx_reply.h"

/* All heads of one reply (those of 1xx too) and its trailers together. */
#define TLX_MAX_HEAD_BYTES 65536
/* A chunk's size with its extensions. */
#define TLX_MAX_CHUNK_LINE_BYTES 1024
#define TLX_MAX_INTERIM_REPLIES 64
typedef enum tlx_exchange_state {
  TLX_EXCHANGE_MORE,  /* the reply is not whole yet */
  TLX_EXCHANGE_DONE,  /* one whole final reply was read */
  TLX_EXCHANGE_BROKEN /* no whole reply will come of it: the fault says why */
} tlx_exchange_state;

/* Caller-owned, freed by tlx_reader_free. */
typedef struct tlx_reader {
  tlx_exchange_state state;
  tlx_exchange_fault fault;
  tlx_reply reply;
  tlx_buffer body;
  int place; /* what comes next; the reader's own */
  tlx_head head;
  tlx_buffer line; /* one that was cut, as far as it came */
  size_t n_head;   /* bytes of heads and trailers so far */
  size_t n_left;   /* of the body or the chunk */
  int n_interim;
} tlx_reader;

/* Begins a reply whose body has at most so many bytes. */
void tlx_reader_init(tlx_reader *reader, size_t max_body_bytes);

void tlx_reader_free(tlx_reader *reader);

/* Reads on until the bytes are used up or it is done or broken. Returns those beyond. */
tlx_str tlx_reader_feed(tlx_reader *reader, tlx_str bytes);

/* Ends it here; what was read stays. */
void tlx_reader_break(tlx_reader *reader, tlx_exchange_fault fault);

/* Whether the body goes on to the end of the connection. */
bool tlx_reader_reads_to_end(const tlx_reader *reader);

#endif

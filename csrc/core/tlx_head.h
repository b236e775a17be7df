/*
 * The head of a reply, line by line: its status line, its headers, and what they say about the body
 * (RFC 9112 §2 to §6). Strict: what is not allowed is a fault, and what is allowed but odd is
 * remembered, since another exchange should not follow it. Nothing here allocates.
 */
#ifndef TLX_HEAD_H
#define TLX_HEAD_H

#include "tlx.h"
#include "tlx_faults.h"
#include "tlx_reply.h"

/* Caller-owned, all zero at the start. */
typedef struct tlx_head {
  int status;
  bool is_http_1_0;
  bool is_odd; /* of this head or an earlier one */
  bool has_length, has_coding;
  bool is_length_bad, is_coding_bad, is_framing_folded;
  size_t n_length;
  enum tlx_head_last { TLX_LAST_NONE, TLX_LAST_FRAMING, TLX_LAST_OTHER, TLX_LAST_READ } last;
  tlx_reply_field last_field; /* which was read */
} tlx_head;

/* How the end of the body is found. */
typedef enum tlx_framing {
  TLX_FRAMING_NONE,    /* there is no body */
  TLX_FRAMING_LENGTH,  /* n_length bytes */
  TLX_FRAMING_CHUNKED, /* RFC 9112 §7.1 */
  TLX_FRAMING_TO_END   /* the end of the connection */
} tlx_framing;

/* A line without its end, which is CR LF, or odd when it is LF alone. */
tlx_str tlx_head_bare_line(tlx_head *head, tlx_str line);

/* Whether bytes that stand at `offset` of a status line may do so. */
bool tlx_head_may_begin(tlx_str bytes, size_t offset);

/* Reads a status line and forgets what an interim head before it said, but not that it was odd.
 * Only a status from 100 to 599, without 101, is taken. */
tlx_exchange_fault tlx_head_begin(tlx_head *head, tlx_str line);

/* Reads one header. reply: what keeps those that are read; NULL where none counts, in an interim
 * head and in trailers: there the syntax alone is looked at. */
tlx_exchange_fault tlx_head_field(tlx_head *head, tlx_reply *reply, tlx_str line);

/* What the whole head says about the body. */
tlx_exchange_fault tlx_head_framing(tlx_head *head, tlx_framing *framing);

#endif

/*
 * What kind of sender a message has: its rates, its encoding and what it may send go by it.
 * Sources: the service's pages on sending rates, message encoding, short codes and alphanumeric
 * sender ids. Thread-safe, never allocates; views may hold any byte.
 */
#ifndef TLX_SENDER_H
#define TLX_SENDER_H

#include "tlx.h"

#define TLX_MAX_ALPHANUMERIC 11

typedef enum tlx_sender_kind {
  TLX_SENDER_LONG_CODE,
  TLX_SENDER_TOLL_FREE,
  TLX_SENDER_SHORT_CODE,
  TLX_SENDER_ALPHANUMERIC,
  TLX_SENDER_NUMBER_POOL,
  TLX_N_SENDER_KINDS
} tlx_sender_kind;

/* As rates call them: "long_code" …, by tlx_sender_kind. */
extern const char *const tlx_sender_kind_names[TLX_N_SENDER_KINDS];

/* Of a `from`, or of the profile's id whose numbers send where there is none; well-formed or not.
 * An empty one is a number pool's. */
tlx_sender_kind tlx_sender_kind_of(tlx_str sender);

/* Holds at least one ASCII letter. */
bool tlx_has_letter(tlx_str s);

/* Nothing but ASCII letters, digits and spaces. */
bool tlx_is_alphanumeric(tlx_str s);

/* 8-4-4-4-12 hexadecimal digits, whatever the version nibble: the service's ids ignore it. */
bool tlx_is_uuid(tlx_str s);

#endif

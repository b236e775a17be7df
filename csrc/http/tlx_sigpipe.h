/*
 * Before 7.87, libcurl let OpenSSL write to a closed connection in a way that raises SIGPIPE, which
 * ends a program that never heard of it. There the signal is held back while libcurl works.
 */
#ifndef TLX_SIGPIPE_H
#define TLX_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

typedef struct tlx_sigpipe {
  bool is_held;
  bool was_pending;
  sigset_t before; /* the thread's mask */
} tlx_sigpipe;

/* Holds SIGPIPE back from this thread, if this libcurl needs it. */
void tlx_sigpipe_hold(tlx_sigpipe *hold);

/* Drops a SIGPIPE that came meanwhile and restores the thread's mask. */
void tlx_sigpipe_release(const tlx_sigpipe *hold);

#endif

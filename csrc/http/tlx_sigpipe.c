#define _POSIX_C_SOURCE 200809L

#include "tlx_sigpipe.h"

#include <curl/curl.h>
#include <time.h>

#define FIRST_SAFE_VERSION 0x075700

static bool is_needed(void) {
#ifdef TLX_HOLD_SIGPIPE /* to try this path where libcurl is newer */
  return true;
#else
  return curl_version_info(CURLVERSION_NOW)->version_num < FIRST_SAFE_VERSION;
#endif
}

void tlx_sigpipe_hold(tlx_sigpipe *hold) {
  sigset_t pipe_only, pending;
  hold->is_held = is_needed();
  if (!hold->is_held) return;
  sigemptyset(&pending);
  sigpending(&pending);
  hold->was_pending = sigismember(&pending, SIGPIPE) == 1;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_only, &hold->before);
}

void tlx_sigpipe_release(const tlx_sigpipe *hold) {
  if (!hold->is_held) return;
  if (!hold->was_pending) {
    sigset_t pipe_only;
    const struct timespec no_time = { 0, 0 };
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigtimedwait(&pipe_only, NULL, &no_time);
  }
  pthread_sigmask(SIG_SETMASK, &hold->before, NULL);
}

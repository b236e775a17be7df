#define _POSIX_C_SOURCE 200809L

#include "tlx_sigpipe.h"

#include <curl/curl.h>
#include <pthread.h>

#ifdef TLX_HOLD_SIGPIPE /* to try this path where libcurl is newer */
#define FIRST_SAFE_VERSION 0xFFFFFF
#else
#define FIRST_SAFE_VERSION 0x075700
#endif

static bool needs_hold;

static void look_at_version(void) {
  needs_hold = curl_version_info(CURLVERSION_NOW)->version_num < FIRST_SAFE_VERSION;
}

static bool is_needed(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, look_at_version);
  return needs_hold;
}

static bool is_pending(void) {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  return sigismember(&pending, SIGPIPE) == 1;
}

static sigset_t pipe_only(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  return set;
}

void tlx_sigpipe_hold(tlx_sigpipe *hold) {
  hold->is_held = is_needed();
  if (!hold->is_held) return;
  hold->was_pending = is_pending();
  const sigset_t set = pipe_only();
  pthread_sigmask(SIG_BLOCK, &set, &hold->before);
}

void tlx_sigpipe_release(const tlx_sigpipe *hold) {
  if (!hold->is_held) return;
  if (!hold->was_pending && is_pending()) {
    const sigset_t set = pipe_only();
    int signal_number;
    sigwait(&set, &signal_number);
  }
  pthread_sigmask(SIG_SETMASK, &hold->before, NULL);
}

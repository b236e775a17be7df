#include "tlx_guard.h"

#ifdef TLX_WITHOUT_GUARD /* only ever for showing what happens then */
#define IS_GUARDING false
#else
#define IS_GUARDING true
#endif

#if TLX_HAS_PREREQ

static int before_request(void *user, char *remote_ip, char *local_ip, int remote_port, int port) {
  tlx_guard *guard = user;
  (void)remote_ip, (void)local_ip, (void)remote_port;
  if (guard->has_begun && IS_GUARDING) {
    guard->stopped_resend = true;
    return CURL_PREREQFUNC_ABORT;
  }
  if (tlx_sockets_is_dead(guard->sockets, port) && IS_GUARDING) {
    guard->was_stale = true;
    return CURL_PREREQFUNC_ABORT;
  }
  guard->has_begun = true;
  return CURL_PREREQFUNC_OK;
}

bool tlx_guard_install(CURL *easy) {
  return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request) == CURLE_OK;
}

void tlx_guard_attach(tlx_guard *guard, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, guard);
}

#else

bool tlx_guard_install(CURL *easy) {
  (void)easy;
  return false;
}

void tlx_guard_attach(tlx_guard *guard, CURL *easy) {
  (void)guard, (void)easy;
}

#endif

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

static bool attach_before_request(tlx_guard *guard, CURL *easy) {
  return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_PREREQDATA, guard) == CURLE_OK;
}

#else

static bool attach_before_request(tlx_guard *guard, CURL *easy) {
  (void)guard, (void)easy;
  return false;
}

#endif

bool tlx_guard_attach(tlx_guard *guard, CURL *easy) {
  tlx_sockets_attach(guard->sockets, easy);
  return attach_before_request(guard, easy);
}

#define _GNU_SOURCE /* RTLD_DEFAULT */

#include "tlx_record.h"

#include <dlfcn.h>
#include <stdio.h>

typedef unsigned long version_of_openssl(void);

/* As ISO C has no other way to make a function of what dlsym returns. */
static bool find(const char *name, void *function) {
  void *found = dlsym(RTLD_DEFAULT, name);
  *(void **)function = found;
  return found != NULL;
}

/* "OpenSSL/3.0.19" and 0x30000130, "OpenSSL/1.1.1w" and 0x1010117f. */
static bool is_version(const char *words, unsigned long number) {
  unsigned major, minor, patch;
  if (!words || sscanf(words, "OpenSSL/%u.%u.%u", &major, &minor, &patch) != 3) return false;
  unsigned shift = major >= 3 ? 4 : 12;
  return major == (number >> 28 & 0xf) && minor == (number >> 20 & 0xff) &&
         patch == (number >> shift & 0xff);
}

tlx_record_asked *tlx_record_find(void) {
  version_of_openssl *version;
  tlx_record_asked *has_pending;
  if (!find("OpenSSL_version_num", &version) || !find("SSL_has_pending", &has_pending)) return NULL;
  const char *libcurl_has = curl_version_info(CURLVERSION_NOW)->ssl_version;
  return is_version(libcurl_has, version()) ? has_pending : NULL;
}

bool tlx_record_is_begun(CURL *easy, tlx_record_asked *has_pending) {
  struct curl_tlssessioninfo *tls = NULL;
  if (!has_pending || curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK) return false;
  if (!tls || tls->backend != CURLSSLBACKEND_OPENSSL || !tls->internals) return false;
  return has_pending(tls->internals) != 0;
}

#define _GNU_SOURCE /* RTLD_DEFAULT */

#include "tlx_record.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long version_of_openssl(void);

/* As ISO C has no other way to make a function of what dlsym returns. */
static bool find(const char *name, void *function) {
  void *found = dlsym(RTLD_DEFAULT, name);
  *(void **)function = found;
  return found != NULL;
}

/* "OpenSSL/3.0.19" and 0x30000130, "OpenSSL/1.1.1w" and 0x1010117f. */
static bool is_version(const char *words, unsigned long number) {
  static const char NAME[] = "OpenSSL/";
  unsigned long part[3];
  if (!words || strncmp(words, NAME, sizeof NAME - 1) != 0) return false;
  const char *rest = words + sizeof NAME - 1;
  for (int i = 0; i < 3; i++) {
    char *end;
    part[i] = strtoul(rest, &end, 10);
    if (end == rest || (i < 2 && *end != '.')) return false;
    rest = end + 1;
  }
  int shift = part[0] >= 3 ? 4 : 12;
  return part[0] == (number >> 28 & 0xf) && part[1] == (number >> 20 & 0xff) &&
         part[2] == (number >> shift & 0xff);
}

tlx_openssl tlx_record_library(void) {
  static const tlx_openssl none = { NULL, NULL, NULL };
  tlx_openssl all;
  version_of_openssl *version;
  if (!find("OpenSSL_version_num", &version) || !find("SSL_has_pending", &all.has_pending) ||
      !find("SSL_rstate_string", &all.read_state) || !find("ERR_clear_error", &all.clear_errors)) {
    return none;
  }
  return is_version(curl_version_info(CURLVERSION_NOW)->ssl_version, version()) ? all : none;
}

static const void *ssl_of(CURL *easy, const tlx_openssl *openssl) {
  struct curl_tlssessioninfo *tls = NULL;
  if (!openssl->has_pending) return NULL;
  if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls) return NULL;
  return tls->backend == CURLSSLBACKEND_OPENSSL ? tls->internals : NULL;
}

bool tlx_record_is_known(CURL *easy, const tlx_openssl *openssl) {
  return ssl_of(easy, openssl) != NULL;
}

bool tlx_record_is_held(CURL *easy, const tlx_openssl *openssl) {
  const void *ssl = ssl_of(easy, openssl);
  if (!ssl) return false;
  /* Of a record whose head alone was read nothing is pending, but its body is waited for. */
  return openssl->has_pending(ssl) != 0 || strcmp(openssl->read_state(ssl), "RB") == 0;
}

void tlx_record_forget_errors(const tlx_openssl *openssl) {
  if (openssl->clear_errors) openssl->clear_errors();
}

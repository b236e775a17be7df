#include "tlx_cause.h"

#include <errno.h>
#include <stdio.h>

static const char *way_of(const tlx_dialler *dialler) {
  return dialler->proxy && dialler->proxy[0] ? " through the proxy" : "";
}

/* A proxy that refuses is the one that nobody listens at. */
static const char *place_of(const tlx_dialler *dialler, CURLcode code) {
  bool is_proxied = *way_of(dialler) != '\0';
  return is_proxied && code == CURLE_COULDNT_CONNECT ? "the proxy" : dialler->place;
}

static const char *refusal_of(const tlx_connection *c) {
  long code = 0;
  curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &code);
  switch (code) {
    case ECONNREFUSED:
      return ": nobody listens there";
    case ENETUNREACH:
    case EHOSTUNREACH:
      return ": there is no way to it from here";
    case ECONNRESET:
      return ": it was reset";
    default:
      return "";
  }
}

/* What OpenSSL says of the certificate: X509_verify_cert_error_string's numbers. */
static const char *fault_of_certificate(const tlx_connection *c) {
  long result = 0;
  curl_easy_getinfo(c->easy, CURLINFO_SSL_VERIFYRESULT, &result);
  switch (result) {
    case 9:
      return "it is not valid yet";
    case 10:
      return "it has expired";
    case 18:
      return "it is self-signed";
    case 19:
    case 20:
    case 21:
      return "its issuer is not among those that are trusted (ca_file)";
    default:
      return "it is for another name, or not in order";
  }
}

/* A proxy's answer to CONNECT. */
static bool say_proxy_answer(const tlx_connection *c, char *words) {
  long status = 0;
  curl_easy_getinfo(c->easy, CURLINFO_HTTP_CONNECTCODE, &status);
  if (status < 300) return false;
  snprintf(words, TLX_MAX_CAUSE, "the proxy refused with HTTP %ld%s", status,
           status == 407 ? ": it wants a user name and a password" : "");
  return true;
}

/* OpenSSL's words on a handshake hold neither names nor secrets. */
static void say_handshake(const tlx_dialler *dialler, const tlx_connection *c, char *words) {
  snprintf(words, TLX_MAX_CAUSE, "no TLS with %s%s%s%s%s", dialler->place, way_of(dialler),
           c->error[0] ? " (" : "", c->error, c->error[0] ? ")" : "");
}

void tlx_cause_of(const tlx_dialler *dialler, const tlx_connection *c, CURLcode code,
                  char words[TLX_MAX_CAUSE]) {
  const char *place = dialler->place;
  if (c->had_no_descriptor) {
    snprintf(words, TLX_MAX_CAUSE, "no descriptor is free for a connection (ulimit -n)");
    return;
  }
  if (say_proxy_answer(c, words)) return;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
      snprintf(words, TLX_MAX_CAUSE, "no address was found for the proxy");
      break;
    case CURLE_COULDNT_RESOLVE_HOST:
      snprintf(words, TLX_MAX_CAUSE, "no address was found for %s", place);
      break;
    case CURLE_OPERATION_TIMEDOUT:
      snprintf(words, TLX_MAX_CAUSE, "no connection to %s%s came about in time", place,
               way_of(dialler));
      break;
    case CURLE_SSL_CONNECT_ERROR:
      say_handshake(dialler, c, words);
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
      snprintf(words, TLX_MAX_CAUSE, "the certificate of %s was not accepted: %s", place,
               fault_of_certificate(c));
      break;
    case CURLE_SSL_CACERT_BADFILE:
      snprintf(words, TLX_MAX_CAUSE, "the file of certificates to trust (ca_file) cannot be used");
      break;
    case CURLE_OUT_OF_MEMORY:
      snprintf(words, TLX_MAX_CAUSE, "memory ran out before a connection was made");
      break;
    default:
      snprintf(words, TLX_MAX_CAUSE, "no connection to %s%s could be made%s",
               place_of(dialler, code), code == CURLE_COULDNT_CONNECT ? "" : way_of(dialler),
               refusal_of(c));
  }
}

bool tlx_cause_is_timeout(CURLcode code) {
  return code == CURLE_OPERATION_TIMEDOUT;
}

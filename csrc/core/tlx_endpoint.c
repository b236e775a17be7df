#include "tlx_endpoint.h"

#include <string.h>

#include "tlx_url.h"

#define MAX_BYTES 2000

static size_t span_until(tlx_str s, const char *stops) {
  size_t n = 0;
  while (n < s.n && !strchr(stops, s.p[n])) n++;
  return n;
}

static bool ends_with(tlx_str s, tlx_str end) {
  return s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

static bool is_visible_ascii(tlx_str s) {
  for (size_t i = 0; i < s.n; i++) {
    unsigned char byte = (unsigned char)s.p[i];
    if (byte <= 0x20 || byte >= 0x7F) return false;
  }
  return true;
}

static tlx_str path_of(tlx_str rest) {
  while (rest.n && rest.p[rest.n - 1] == '/') rest.n--;
  return rest;
}

const char *tlx_endpoint_parse(tlx_str base_url, bool allow_http, tlx_endpoint *endpoint) {
  tlx_url url;
  const char *fault = tlx_url_parse(base_url, &url);
  if (fault) return fault;
  if (base_url.n > MAX_BYTES) return "be at most 2000 bytes long";
  if (!is_visible_ascii(base_url)) return "hold only visible ASCII characters";
  if (span_until(url.rest, "?#") < url.rest.n) return "hold no query and no fragment";
  if (url.has_user) return "hold no user name and no password";
  if (url.has_colon && url.port.n == 0) return "name a port from 1 to 65535, or none";
  bool is_loopback = tlx_host_is_loopback(url.host);
  if (!url.is_https && !allow_http && !is_loopback) {
    return "be https, unless its host is loopback or allow_http is set: the key would travel "
           "readable";
  }
  tlx_str path = path_of(url.rest);
  if (ends_with(path, TLX_STR("/messages"))) {
    return "end before /messages, which is added to it";
  }
  *endpoint = (tlx_endpoint){
    .is_https = url.is_https,
    .is_loopback = is_loopback,
    .host = url.host,
    .port = tlx_url_port(&url),
    .path = path.n ? path : TLX_STR("/v2"),
  };
  return NULL;
}

const char *tlx_api_key_fault(tlx_str key) {
  if (key.n == 0) return "not be empty";
  if (is_visible_ascii(key)) return NULL;
  return "hold only visible ASCII characters: no spaces, no line breaks, no NUL";
}

#include "tlx_endpoint.h"

#include <string.h>

#include "tlx_shapes.h"

static tlx_str after(tlx_str s, size_t n) {
  return (tlx_str){ s.p + n, s.n - n };
}

static size_t span_until(tlx_str s, const char *stops) {
  size_t n = 0;
  while (n < s.n && !strchr(stops, s.p[n])) n++;
  return n;
}

static bool ends_with(tlx_str s, tlx_str end) {
  return s.n >= end.n && memcmp(s.p + s.n - end.n, end.p, end.n) == 0;
}

/* From 0 to 255. Without a zero in front, which some resolvers take for octal. */
static bool is_octet(tlx_str s) {
  unsigned value = 0;
  if (s.n == 0 || s.n > 3 || (s.n > 1 && s.p[0] == '0')) return false;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] < '0' || s.p[i] > '9') return false;
    value = value * 10 + (unsigned)(s.p[i] - '0');
  }
  return value <= 255;
}

/* Four octets and no shorter form: whatever else is a name, and goes where a resolver says. */
static bool is_loopback_ip4(tlx_str host) {
  size_t n_first = span_until(host, ".");
  if (!tlx_str_eq((tlx_str){ host.p, n_first }, TLX_STR("127"))) return false;
  tlx_str rest = after(host, n_first);
  for (int i = 0; i < 3; i++) {
    if (rest.n == 0) return false;
    rest = after(rest, 1);
    size_t n_octet = span_until(rest, ".");
    if (!is_octet((tlx_str){ rest.p, n_octet })) return false;
    rest = after(rest, n_octet);
  }
  return rest.n == 0;
}

static bool is_loopback(tlx_str host) {
  return tlx_str_eq_nocase(host, TLX_STR("localhost")) || tlx_str_eq(host, TLX_STR("[::1]")) ||
         is_loopback_ip4(host);
}

/* The default when there is none; 0 when it is no port. */
static unsigned read_port(tlx_str digits, unsigned otherwise) {
  unsigned port = 0;
  if (digits.n == 0) return otherwise;
  if (digits.n > 5) return 0;
  for (size_t i = 0; i < digits.n; i++) {
    if (digits.p[i] < '0' || digits.p[i] > '9') return 0;
    port = port * 10 + (unsigned)(digits.p[i] - '0');
  }
  return port <= 65535 ? port : 0;
}

static bool is_host_byte(char c, bool is_ip6) {
  bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= (is_ip6 ? 'f' : 'z');
  return is_letter || (c >= '0' && c <= '9') || c == '.' || c == (is_ip6 ? ':' : '-') ||
         (c == '_' && !is_ip6);
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(tlx_str host) {
  bool is_ip6 = host.n > 2 && host.p[0] == '[';
  tlx_str inner = is_ip6 ? (tlx_str){ host.p + 1, host.n - 2 } : host;
  for (size_t i = 0; i < inner.n; i++) {
    if (!is_host_byte(inner.p[i], is_ip6)) return false;
  }
  return inner.n > 0;
}

static bool is_visible_ascii(tlx_str s) {
  for (size_t i = 0; i < s.n; i++) {
    unsigned char byte = (unsigned char)s.p[i];
    if (byte <= 0x20 || byte >= 0x7F) return false;
  }
  return true;
}

static bool read_authority(tlx_str authority, tlx_endpoint *endpoint) {
  size_t n_host = span_until(authority, ":");
  if (authority.n && authority.p[0] == '[') {
    n_host = span_until(authority, "]");
    if (n_host == authority.n) return false;
    n_host++;
  }
  tlx_str rest = after(authority, n_host);
  if (n_host == 0 || (rest.n && rest.p[0] != ':') || rest.n == 1) return false;
  endpoint->host = (tlx_str){ authority.p, n_host };
  if (!is_host(endpoint->host)) return false;
  endpoint->port = read_port(rest.n ? after(rest, 1) : rest, endpoint->is_https ? 443 : 80);
  return endpoint->port != 0;
}

const char *tlx_endpoint_parse(tlx_str base_url, bool allow_http, tlx_endpoint *endpoint) {
  const char *fault = tlx_url_fault(base_url);
  if (fault) return fault;
  if (!is_visible_ascii(base_url)) return "hold only visible ASCII characters";
  tlx_endpoint parsed = { .is_https = base_url.p[4] != ':' };
  tlx_str rest = after(base_url, parsed.is_https ? 8 : 7);
  if (span_until(rest, "?#") < rest.n) return "hold no query and no fragment";
  size_t n_authority = span_until(rest, "/");
  tlx_str authority = { rest.p, n_authority };
  if (span_until(authority, "@") < authority.n) return "hold no user name and no password";
  if (!read_authority(authority, &parsed)) return "name a host and a port from 1 to 65535";
  parsed.is_loopback = is_loopback(parsed.host);
  if (!parsed.is_https && !allow_http && !parsed.is_loopback) {
    return "be https, unless its host is loopback or allow_http is set: the key would travel "
           "readable";
  }
  parsed.path = after(rest, n_authority);
  while (parsed.path.n && parsed.path.p[parsed.path.n - 1] == '/') parsed.path.n--;
  if (ends_with(parsed.path, TLX_STR("/messages"))) {
    return "end before /messages, which is added to it";
  }
  if (parsed.path.n == 0) parsed.path = TLX_STR("/v2");
  *endpoint = parsed;
  return NULL;
}

const char *tlx_api_key_fault(tlx_str key) {
  if (key.n == 0) return "not be empty";
  if (is_visible_ascii(key)) return NULL;
  return "hold only visible ASCII characters: no spaces, no line breaks, no NUL";
}

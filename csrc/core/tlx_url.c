#include "tlx_url.h"

#include <string.h>

#if defined(__SSE2__) && defined(__GNUC__) && !defined(TLX_PORTABLE)
#include <emmintrin.h>
#endif

#include "tlx_ascii.h"

#define HTTP_PORT 80
#define HTTPS_PORT 443
#define MAX_PORT 65535
#define N_GROUPS 8 /* of an IPv6 address */

static tlx_str after(tlx_str s, size_t n) {
  return (tlx_str){ s.p + n, s.n - n };
}

/* How many bytes come before the first that is `stop`; all when none is. */
static size_t span_until(tlx_str s, char stop) {
  const char *at = s.n ? memchr(s.p, stop, s.n) : NULL;
  return at ? (size_t)(at - s.p) : s.n;
}

static bool is_digit(char c) {
  return tlx_ascii_is(c, TLX_ASCII_DIGIT);
}

/* ---- bytes ---- */

static bool is_forbidden(char c) {
  unsigned char byte = (unsigned char)c;
  return byte <= ' ' || byte == 0x7F || byte == '"' || byte == '\\';
}

static bool has_one_forbidden(const char *p, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (is_forbidden(p[i])) return true;
  }
  return false;
}

#if defined(__SSE2__) && defined(__GNUC__) && !defined(TLX_PORTABLE)

#define CHUNK 16

/* Whether one of a chunk may be: beyond ASCII, or one that is less than # or DEL or \\. As signed
 * bytes, those beyond ASCII are less than any. */
static bool may_be_forbidden(const char *p) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
  __m128i hits = _mm_or_si128(_mm_cmplt_epi8(bytes, _mm_set1_epi8('#')),
                              _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')),
                                           _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F))));
  return _mm_movemask_epi8(hits) != 0;
}

#else

#define CHUNK 8

static bool may_be_forbidden(const char *p) {
  const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
  uint64_t word;
  memcpy(&word, p, sizeof word);
  uint64_t backslash = word ^ ones * '\\';
  uint64_t hits = (word - ones * '#') | (backslash - ones) | (word + ones) | word;
  return (hits & tops) != 0;
}

#endif

/* A chunk at a time, some bytes of the last perhaps twice. */
static bool has_forbidden(tlx_str s) {
  if (s.n < CHUNK) return has_one_forbidden(s.p, s.n);
  for (size_t i = 0; i + CHUNK <= s.n; i += CHUNK) {
    if (may_be_forbidden(s.p + i) && has_one_forbidden(s.p + i, CHUNK)) return true;
  }
  const char *last = s.p + s.n - CHUNK;
  return may_be_forbidden(last) && has_one_forbidden(last, CHUNK);
}

/* ---- hosts ---- */

/* From 0 to 255, or -1. Without a zero in front, which some resolvers take for octal. */
static int octet(tlx_str s) {
  int value = 0;
  if (s.n == 0 || s.n > 3 || (s.n > 1 && s.p[0] == '0')) return -1;
  for (size_t i = 0; i < s.n; i++) {
    if (!is_digit(s.p[i])) return -1;
    value = value * 10 + (s.p[i] - '0');
  }
  return value <= 255 ? value : -1;
}

/* Four octets and no shorter form: whatever else is a name, and goes where a resolver says. */
static bool read_ip4(tlx_str host, int octets[4]) {
  for (int i = 0; i < 4; i++) {
    size_t n = span_until(host, '.');
    octets[i] = octet((tlx_str){ host.p, n });
    if (octets[i] < 0 || (i < 3) != (n < host.n)) return false;
    host = after(host, n < host.n ? n + 1 : n);
  }
  return true;
}

/* 1 to 4 hexadecimal digits; -1 when it is none. */
static int group(tlx_str s) {
  int value = 0;
  if (s.n == 0 || s.n > 4) return -1;
  for (size_t i = 0; i < s.n; i++) {
    if (!tlx_ascii_is(s.p[i], TLX_ASCII_HEX)) return -1;
    value = value * 16 + (is_digit(s.p[i]) ? s.p[i] - '0' : (s.p[i] | 0x20) - 'a' + 10);
  }
  return value;
}

/* Groups with colons between, the last two perhaps as an IPv4 address. Returns how many there are,
 * or -1. */
static int read_groups(tlx_str s, bool may_end_as_ip4, int groups[N_GROUPS]) {
  int n_groups = 0, octets[4];
  while (s.n > 0) {
    size_t n = span_until(s, ':');
    tlx_str piece = { s.p, n };
    bool is_last = n == s.n;
    if (is_last && may_end_as_ip4 && n_groups <= N_GROUPS - 2 && read_ip4(piece, octets)) {
      groups[n_groups++] = octets[0] * 256 + octets[1];
      groups[n_groups++] = octets[2] * 256 + octets[3];
      return n_groups;
    }
    if (n_groups == N_GROUPS || (groups[n_groups++] = group(piece)) < 0) return -1;
    if (is_last) break;
    s = after(s, n + 1);
    if (s.n == 0) return -1; /* a colon at the end */
  }
  return n_groups;
}

static const char *find_double_colon(tlx_str s) {
  for (size_t i = 0; i + 1 < s.n; i++) {
    if (s.p[i] == ':' && s.p[i + 1] == ':') return s.p + i;
  }
  return NULL;
}

/* RFC 4291 §2.2: eight groups, or fewer with one :: for the zeros. */
static bool read_ip6(tlx_str s, int groups[N_GROUPS]) {
  int head[N_GROUPS], tail[N_GROUPS], n_tail = 0;
  const char *gap = find_double_colon(s);
  tlx_str first = { s.p, gap ? (size_t)(gap - s.p) : s.n };
  int n_head = read_groups(first, !gap, head);
  if (gap) n_tail = read_groups(after(s, first.n + 2), true, tail);
  if (n_head < 0 || n_tail < 0) return false;
  if (gap ? n_head + n_tail >= N_GROUPS : n_head != N_GROUPS) return false;
  memset(groups, 0, N_GROUPS * sizeof *groups);
  for (int i = 0; i < n_head; i++) groups[i] = head[i];
  for (int i = 0; i < n_tail; i++) groups[N_GROUPS - n_tail + i] = tail[i];
  return true;
}

/* Between its brackets. */
static bool is_ip6(tlx_str host, int groups[N_GROUPS]) {
  return host.n > 2 && host.p[0] == '[' && read_ip6((tlx_str){ host.p + 1, host.n - 2 }, groups);
}

/* How much of it a name is: labels with dots between, none of them empty; a dot at the end is the
 * root's. Letters beyond ASCII are a name's as well. */
static size_t name_length(tlx_str s) {
  size_t n = 0, label = 0;
  for (; n < s.n; n++) {
    if (tlx_ascii_is(s.p[n], TLX_ASCII_NAME)) continue;
    if (s.p[n] != '.' || n == label) break;
    label = n + 1;
  }
  return n;
}

static bool is_host(tlx_str host) {
  int groups[N_GROUPS];
  return host.n > 0 && host.p[0] == '[' ? is_ip6(host, groups)
                                        : host.n > 0 && name_length(host) == host.n;
}

/* ---- the parts ---- */

/* Mostly in small letters. */
static size_t scheme_length(tlx_str text) {
  static const tlx_str HTTPS = { "https://", 8 }, HTTP = { "http://", 7 };
  if (text.n < HTTPS.n) return 0;
  if (memcmp(text.p, "https://", 8) == 0) return HTTPS.n;
  if (memcmp(text.p, "http://", 7) == 0) return HTTP.n;
  if (tlx_str_eq_nocase((tlx_str){ text.p, HTTP.n }, HTTP)) return HTTP.n;
  return tlx_str_eq_nocase((tlx_str){ text.p, HTTPS.n }, HTTPS) ? HTTPS.n : 0;
}

static bool is_end_of_authority(char c) {
  return c == '/' || c == '?' || c == '#';
}

static size_t authority_length(tlx_str s) {
  size_t n = 0;
  while (n < s.n && !is_end_of_authority(s.p[n])) n++;
  return n;
}

static size_t user_length(tlx_str authority) {
  size_t n = authority.n;
  while (n > 0 && authority.p[n - 1] != '@') n--;
  return n;
}

static bool split_port(tlx_str authority, tlx_url *url) {
  size_t n = span_until(authority, ':');
  if (authority.n > 0 && authority.p[0] == '[') {
    n = span_until(authority, ']');
    if (n == authority.n) return false;
    n++;
  }
  url->host = (tlx_str){ authority.p, n };
  tlx_str port = after(authority, n);
  url->has_colon = port.n > 0;
  if (url->has_colon) url->port = after(port, 1);
  return !url->has_colon || port.p[0] == ':';
}

/* However many zeros it has in front. */
static unsigned port_value(tlx_str digits) {
  unsigned port = 0;
  for (size_t i = 0; i < digits.n && port <= MAX_PORT; i++) {
    if (!is_digit(digits.p[i])) return 0;
    port = port * 10 + (unsigned)(digits.p[i] - '0');
  }
  return port <= MAX_PORT ? port : 0;
}

unsigned tlx_url_port(const tlx_url *url) {
  if (url->port.n == 0) return url->is_https ? HTTPS_PORT : HTTP_PORT;
  return port_value(url->port);
}

static const char *read_authority(tlx_str rest, tlx_url *url) {
  size_t n_authority = authority_length(rest);
  tlx_str authority = { rest.p, n_authority };
  size_t n_user = user_length(authority);
  url->has_user = n_user > 0;
  url->rest = after(rest, n_authority);
  if (!split_port(after(authority, n_user), url) || !is_host(url->host))
    return "name a host that can be";
  return tlx_url_port(url) == 0 ? "name a port from 1 to 65535, or none" : NULL;
}

const char *tlx_url_parse(tlx_str text, tlx_url *url) {
  if (has_forbidden(text)) {
    return "hold no spaces, control characters, quotation marks and backslashes";
  }
  size_t n_scheme = scheme_length(text);
  if (n_scheme == 0) return "start with http:// or https://";
  tlx_str rest = after(text, n_scheme);
  size_t n_name = name_length(rest);
  *url = (tlx_url){ .is_https = n_scheme == 8 };
  bool is_name_alone = n_name > 0 && (n_name == rest.n || is_end_of_authority(rest.p[n_name]));
  if (!is_name_alone) return read_authority(rest, url);
  url->host = (tlx_str){ rest.p, n_name };
  url->rest = after(rest, n_name);
  return NULL;
}

/* ---- whose a host is ---- */

bool tlx_host_is_loopback(tlx_str host) {
  int octets[4];
  return tlx_str_eq_nocase(host, TLX_STR("localhost")) || tlx_str_eq(host, TLX_STR("[::1]")) ||
         (read_ip4(host, octets) && octets[0] == 127);
}

/* The networks that RFC 6890 lists as not global, and all that is no host's from 224 on. */
static bool is_private_ip4(const int octets[4]) {
  static const struct {
    unsigned char first, second, n_bits; /* of the second that count */
  } NETWORKS[] = {
    { 0, 0, 0 },     { 10, 0, 0 },   { 100, 64, 2 },  { 127, 0, 0 },
    { 169, 254, 8 }, { 172, 16, 4 }, { 192, 168, 8 }, { 198, 18, 7 },
  };
  for (size_t i = 0; i < sizeof NETWORKS / sizeof NETWORKS[0]; i++) {
    int step = 1 << (8 - NETWORKS[i].n_bits);
    bool is_second = octets[1] / step == NETWORKS[i].second / step;
    if (octets[0] == NETWORKS[i].first && is_second) return true;
  }
  return octets[0] >= 224;
}

static bool are_zero(const int *groups, int n) {
  for (int i = 0; i < n; i++) {
    if (groups[i] != 0) return false;
  }
  return true;
}

/* ::1 and ::, fc00::/7, fe80::/10, the examples of documents, and what stands for a private IPv4
 * address. */
static bool is_private_ip6(const int groups[N_GROUPS]) {
  const int octets[4] = { groups[6] / 256, groups[6] % 256, groups[7] / 256, groups[7] % 256 };
  if (are_zero(groups, N_GROUPS - 1)) return groups[N_GROUPS - 1] <= 1;
  if (are_zero(groups, 5) && groups[5] == 0xFFFF) return is_private_ip4(octets);
  if (groups[0] == 0x2001 && groups[1] == 0xDB8) return true;
  return groups[0] / 0x200 == 0xFC00 / 0x200 || groups[0] / 0x40 == 0xFE80 / 0x40;
}

static tlx_str last_label(tlx_str name) {
  size_t n = 0;
  while (n < name.n && name.p[name.n - 1 - n] != '.') n++;
  return (tlx_str){ name.p + name.n - n, n };
}

/* As few begin like a public one, as "com". */
static bool is_private_label(tlx_str label) {
  switch (label.n ? label.p[0] | 0x20 : 0) {
    case 'e':
      return tlx_str_eq_nocase(label, TLX_STR("example"));
    case 'i':
      return tlx_str_eq_nocase(label, TLX_STR("invalid")) ||
             tlx_str_eq_nocase(label, TLX_STR("internal"));
    case 'l':
      return tlx_str_eq_nocase(label, TLX_STR("lan")) ||
             tlx_str_eq_nocase(label, TLX_STR("local")) ||
             tlx_str_eq_nocase(label, TLX_STR("localhost")) ||
             tlx_str_eq_nocase(label, TLX_STR("localdomain"));
    case 't':
      return tlx_str_eq_nocase(label, TLX_STR("test"));
    default:
      return false;
  }
}

/* No public label begins with a digit: 127.1 and 0x7f.1 are odd spellings of addresses. A name
 * beyond ASCII may have dots of its own. */
static bool is_private_name(tlx_str name) {
  if (name.n > 0 && name.p[name.n - 1] == '.') name.n--;
  tlx_str label = last_label(name);
  if (label.n == name.n) return !tlx_ascii_has(name, TLX_ASCII_NONE);
  return is_digit(label.p[0]) || is_private_label(label);
}

static bool is_private_address(tlx_str host, bool *is_private) {
  int octets[4], groups[N_GROUPS];
  if (host.p[0] == '[') {
    *is_private = is_ip6(host, groups) && is_private_ip6(groups);
    return true;
  }
  if (!read_ip4(host, octets)) return false;
  *is_private = is_private_ip4(octets);
  return true;
}

bool tlx_host_is_private(tlx_str host) {
  bool is_private = false;
  bool may_be_address = host.n > 0 && (host.p[0] == '[' || is_digit(host.p[0]));
  if (may_be_address && is_private_address(host, &is_private)) return is_private;
  return is_private_name(host);
}

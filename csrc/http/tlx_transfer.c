#include "tlx_transfer.h"

#include <stdlib.h>
#include <string.h>

static bool body_append(tlx_body *body, const char *bytes, size_t n) {
  if (n > body->room - body->n) {
    size_t room = body->room ? body->room : 2048;
    while (room < body->n + n) room *= 2;
    char *bigger = realloc(body->bytes, room);
    if (!bigger) return false;
    body->bytes = bigger;
    body->room = room;
  }
  memcpy(body->bytes + body->n, bytes, n);
  body->n += n;
  return true;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *user) {
  tlx_transfer *t = user;
  (void)size; /* always 1 */
  if (n > t->body.max - t->body.n) {
    t->is_body_too_big = true;
    return 0;
  }
  t->is_memory_short = !body_append(&t->body, bytes, n);
  return t->is_memory_short ? 0 : n;
}

/* libcurl hands over whole lines, but for one that the end of the connection cut. */
static size_t on_head(char *bytes, size_t size, size_t n, void *user) {
  tlx_transfer *t = user;
  (void)size;
  t->n_head_bytes += n;
  if (t->n_head_bytes > TLX_MAX_HEAD_BYTES) {
    t->is_head_too_big = true;
    return 0;
  }
  if (n > 0 && bytes[n - 1] == '\n') tlx_reply_line(&t->reply, (tlx_str){ bytes, n });
  return n;
}

tlx_transfer *tlx_transfer_new(tlx_str body) {
  tlx_transfer *t = calloc(1, sizeof *t + body.n);
  if (!t) return NULL;
  t->cause = "";
  t->n_request = body.n;
  memcpy(t->request, body.p, body.n);
  return t;
}

bool tlx_transfer_equip(CURL *easy, tlx_sockets *sockets) {
  bool is_guarded = tlx_guard_install(easy);
  tlx_sockets_attach(sockets, easy);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, is_guarded ? 0L : 1L);
  return is_guarded;
}

bool tlx_transfer_prepare(tlx_transfer *t, const tlx_http_limits *limits) {
  CURL *easy = t->easy;
  const char *request = t->request;
  if (t->is_guarded) tlx_guard_attach(&t->guard, easy);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, limits->timeout_ms);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, limits->connect_timeout_ms);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, limits->fresh || !t->is_guarded ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request);
  return curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->n_request) == CURLE_OK;
}

/* Without the guard, libcurl's count of request bytes is the next best sign of a beginning. */
static bool has_begun(const tlx_transfer *t) {
  if (t->is_guarded) return t->guard.has_begun;
  long n_bytes = 0;
  return curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &n_bytes) != CURLE_OK || n_bytes > 0;
}

static tlx_kind kind_of(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return TLX_KIND_TIMEOUT;
    case CURLE_UNSUPPORTED_PROTOCOL: /* what HTTP/0.9, that is garbage, ends as */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_WRITE_ERROR: /* our own callbacks: larger than allowed */
    case CURLE_BAD_CONTENT_ENCODING:
      return TLX_KIND_PROTOCOL;
    default:
      return TLX_KIND_CONNECTION;
  }
}

/* libcurl may quote a proxy's URL: its user name and password are nobody's business. */
static void mask_credentials(char *words) {
  for (char *p = strstr(words, "://"); p; p = strstr(p, "://")) {
    p += 3;
    size_t n = strcspn(p, " '\"/");
    const char *at = NULL;
    for (size_t i = 0; i < n; i++) {
      if (p[i] == '@') at = p + i;
    }
    for (char *c = p; at && c < at; c++) *c = '*';
  }
}

/* libcurl's sentences begin with a capital; ours go on after a colon. */
static const char *curl_words(tlx_transfer *t, CURLcode code) {
  if (t->error[0] == '\0') {
    strncat(t->error, curl_easy_strerror(code), sizeof t->error - 1);
  }
  mask_credentials(t->error);
  char first = t->error[0], second = t->error[1];
  bool is_word = second == ' ' || (second >= 'a' && second <= 'z');
  if (is_word && first >= 'A' && first <= 'Z') t->error[0] = (char)(first - 'A' + 'a');
  return t->error;
}

/* After the request went out, libcurl's words on connecting are about its vain second attempt. */
static bool is_about_connecting(const tlx_transfer *t, CURLcode code) {
  bool is_about = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                  code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION;
  return is_about && t->carriage.begun;
}

static const char *cause_of(tlx_transfer *t, CURLcode code) {
  if (t->guard.was_stale) return "the other side closed the connection before the request began";
  if (t->guard.stopped_resend || is_about_connecting(t, code)) {
    return "the connection broke before an answer";
  }
  if (t->is_body_too_big) return "the answer is larger than max_response_bytes allows";
  if (t->is_head_too_big) return "the answer has more than 64 KiB of headers";
  if (t->is_memory_short) return "memory ran out while the answer arrived";
  if (code == CURLE_OK) return "the answer was cut off";
  return curl_words(t, code);
}

static void close_books(tlx_transfer *t) {
  t->easy = NULL;
  t->is_done = true;
}

void tlx_transfer_finish(tlx_transfer *t, CURLcode code) {
  bool is_final = tlx_is_final_status(t->reply.status);
  t->carriage.begun = has_begun(t);
  t->carriage.whole = code == CURLE_OK && (t->reply.is_head_whole || !is_final);
  t->carriage.failure = TLX_KIND_NONE;
  if (!t->carriage.whole) t->carriage.failure = kind_of(code);
  t->cause = t->carriage.whole ? "" : cause_of(t, code);
  close_books(t);
}

void tlx_transfer_end(tlx_transfer *t, const char *cause) {
  t->carriage.begun = has_begun(t);
  t->carriage.failure = TLX_KIND_CONNECTION;
  t->cause = cause;
  close_books(t);
}

bool tlx_transfer_is_done(const tlx_transfer *transfer) {
  return transfer->is_done;
}

void *tlx_transfer_owner(const tlx_transfer *transfer) {
  return transfer->owner;
}

tlx_transfer_result tlx_transfer_result_of(const tlx_transfer *t) {
  return (tlx_transfer_result){
    .carriage = t->carriage,
    .was_stale = t->guard.was_stale,
    .reply = &t->reply,
    .body = { t->body.bytes, t->body.n },
    .cause = t->cause,
  };
}

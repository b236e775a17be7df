#define _POSIX_C_SOURCE 200809L
#include <sys/socket.h>

#include "conformance.h"

#define N_SMALL 600 /* bytes of a request: one TLS record */
#define N_LARGE (PEER_LONGEST - 1)
#define MAX_SENDS 5000 /* of one request, with pauses */

static bool is_end(heard h) {
  return h.code == CURLE_OK && h.n == 0;
}

/* An end without close_notify: TLS of some libcurls calls it an error. */
static bool is_cut(heard h, const peer *p) {
  return is_end(h) || (is_tls(p) && h.code == CURLE_RECV_ERROR);
}

/* ---- what recv says ------------------------------------------------------------------------ */

static void ends(peer *p, peer_verb verb, bool with_bytes, const char *what) {
  holder h = holder_open(false);
  held c = held_open(&h, p);
  if (with_bytes) peer_do(p, PEER_WRITE, c.which, 100);
  peer_do(p, verb, c.which, 0);
  heard bytes = { .code = CURLE_OK, .n = 100, .is_text = true };
  if (with_bytes) bytes = held_hear(&c);
  heard last = held_hear(&c), after = held_recv(&c);
  bool is_as_told = verb == PEER_RESET    ? last.code == CURLE_RECV_ERROR
                    : verb == PEER_NOTIFY ? is_end(last)
                                          : is_cut(last, p);
  row_found(bytes.n == 100 && bytes.is_text && is_as_told, what, "%s, then %s", in_words(last),
            in_words(after));
  row(after.code != CURLE_AGAIN && after.n == 0, "and no bytes after it");
  held_close(&c);
  holder_close(&h);
}

/* Sends until it cannot, as a peer's reset comes when it will. */
static CURLcode send_until_error(held *c, CURLcode *first) {
  size_t n_taken;
  CURLcode code = *first = held_send(c, N_SMALL, &n_taken);
  for (int i = 0; i < 100 && code == CURLE_OK; i++) {
    pause_ms(5);
    code = held_send(c, N_SMALL, &n_taken);
  }
  return code;
}

static void sends_to_nobody(peer *p, peer_verb verb, const char *what) {
  holder h = holder_open(false);
  held c = held_open(&h, p);
  CURLcode first;
  peer_do(p, verb, c.which, 0);
  held_hear(&c);
  CURLcode last = send_until_error(&c, &first);
  row_found(last == CURLE_SEND_ERROR && (verb == PEER_CLOSE || first == last), what, "%s",
            first == CURLE_OK ? "the first is taken, then error 55" : "error 55 at once");
  row_found(n_sigpipes == 0 || libcurl_version < VERSION(7, 87),
            "no SIGPIPE, or before 7.87 one that we hold back", "%d", (int)n_sigpipes);
  n_sigpipes = 0;
  held_close(&c);
  holder_close(&h);
}

/* Decrypted bytes, of which no poll knows. */
static void bytes_until_again(peer *p) {
  holder h = holder_open(false);
  held c = held_open(&h, p);
  size_t n_all = 40000, n_before = c.n_heard;
  peer_do(p, PEER_WRITE, c.which, n_all);
  pause_ms(20);
  while (held_recv(&c).code == CURLE_OK && c.n_heard - n_before < n_all) continue;
  row(c.n_heard - n_before == n_all, "recv until AGAIN has all that came, whatever poll says");
  row(held_recv(&c).code == CURLE_AGAIN, "and then says AGAIN");
  held_close(&c);
  holder_close(&h);
}

void receiving(peer *p) {
  bytes_until_again(p);
  ends(p, PEER_FIN, false, "FIN alone is an end");
  ends(p, PEER_FIN, true, "bytes and FIN: the bytes, then an end");
  ends(p, PEER_RESET, false, "RST is error 56, once at least");
  ends(p, PEER_RESET, true, "bytes and RST: the bytes, then error 56");
  if (is_tls(p)) ends(p, PEER_NOTIFY, false, "close_notify alone is the end");
}

/* ---- what send takes ----------------------------------------------------------------------- */

/* Sends `n` bytes to a peer that begins to read once AGAIN was said. Of TLS libcurl takes all or
 * nothing, and wants the same bytes again. */
static void whole(peer *p, size_t n) {
  holder h = holder_open(false);
  held c = held_open(&h, p);
  size_t n_taken, n_partial = 0;
  bool is_read = false;
  CURLcode code = CURLE_OK;
  for (int i = 0; i < MAX_SENDS && c.n_sent < n && (code == CURLE_OK || code == CURLE_AGAIN); i++) {
    code = held_send(&c, n - c.n_sent, &n_taken);
    if (n_taken > 0 && n_taken < n) n_partial++;
    if (code == CURLE_AGAIN && !is_read) peer_tell(p, PEER_READ, c.which, n);
    is_read |= code == CURLE_AGAIN;
    if (code == CURLE_AGAIN) poll(&(struct pollfd){ .fd = c.fd, .events = POLLOUT }, 1, 20);
  }
  long n_arrived = is_read ? peer_answer(p) : 0;
  row_found(c.n_sent == n && n_arrived == (long)n && !(is_tls(p) && n_partial > 0),
            is_tls(p) ? "after AGAIN the same send goes through, whole"
                      : "after AGAIN the rest goes through",
            "%lu parts", (unsigned long)n_partial);
  held_close(&c);
  holder_close(&h);
}

/* The proof of not_sent: fills the way with small requests until one is not taken, has the peer
 * read all that was, and goes: that request has not arrived, whatever left the machine. */
static void not_taken_is_not_sent(peer *p, size_t n) {
  holder h = holder_open(false);
  held c = held_open(&h, p);
  size_t n_taken;
  CURLcode code = CURLE_OK;
  while (code == CURLE_OK && c.n_sent < 64 * PEER_LONGEST) code = held_send(&c, n, &n_taken);
  bool has_all = peer_do(p, PEER_READ, c.which, c.n_sent) == (long)c.n_sent;
  heard nothing = held_recv(&c);
  shutdown(c.fd, SHUT_WR);
  held_close(&c);
  long n_more = peer_do(p, PEER_DRAIN, c.which, 0);
  row(code == CURLE_AGAIN && has_all && nothing.code == CURLE_AGAIN, "what was taken arrives");
  row_found(n_more >= 0 && n_more < (long)n && (n_more == 0 || n > 16384),
            n > 16384 ? "of a long request that was not taken some arrives, and not all"
                      : "of a request that was not taken nothing can be read",
            "%ld bytes of %lu", n_more, (unsigned long)n);
  holder_close(&h);
}

/* An answer that came before the request was whole. */
static void early_answer(peer *p) {
  holder h = holder_open(false);
  held c = held_open(&h, p);
  CURLcode first;
  peer_do(p, PEER_WRITE, c.which, 100);
  peer_do(p, PEER_RESET, c.which, 0);
  CURLcode last = send_until_error(&c, &first);
  heard answer = held_hear(&c);
  row_found(last == CURLE_SEND_ERROR && answer.n == 100 && answer.is_text,
            "what came before a send failed can be read after it", "%s", in_words(answer));
  n_sigpipes = 0;
  held_close(&c);
  holder_close(&h);
}

void sending(peer *p) {
  sends_to_nobody(p, PEER_CLOSE, "send after the peer's end fails");
  sends_to_nobody(p, PEER_RESET, "send after RST fails at once");
  early_answer(p);
  whole(p, N_LARGE);
  if (!is_tls(p)) return;
  not_taken_is_not_sent(p, N_SMALL);
  not_taken_is_not_sent(p, N_LARGE);
}

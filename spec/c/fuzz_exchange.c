/*
 * A libFuzzer target: any bytes for a reply, read whole, byte by byte and cut at random. However
 * they are cut the verdict is the same, what is final stays so, and every ceiling holds.
 *
 *   make fuzz FUZZ_SECONDS=60
 *
 * The first byte of an input picks the end of the connection, max_response_bytes and how often the
 * rest is said; the second where it is cut; the rest is the reply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "tlx_exchange.h"

#define MOST_SINGLE_BYTES 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct plan {
  tlx_str bytes;
  int ending; /* of tlx_exchange_ending, or -1 */
  size_t max_response_bytes;
} plan;

/* How long the next piece is: whole, one byte, or by chance. */
typedef struct knife {
  enum { WHOLE, SINGLE, RANDOM } way;
  uint32_t chance;
} knife;

static size_t next_length(knife *k, size_t n_left) {
  size_t n = 1;
  if (k->way == WHOLE) return n_left;
  if (k->way == RANDOM) {
    k->chance = k->chance * 1664525u + 1013904223u;
    n = (k->chance >> 28) < 8 ? 1 + (k->chance >> 16) % 7 : 1 + (k->chance >> 12) % 6000;
  }
  return n < n_left ? n : n_left;
}

static void check_standing(const tlx_exchange *x) {
  tlx_carriage carriage = tlx_exchange_carriage(x);
  bool is_final = tlx_is_final_status(x->reader.reply.status);
  EXPECT(x->reader.n_head <= TLX_MAX_HEAD_BYTES);
  EXPECT(x->reader.line.n <= TLX_MAX_HEAD_BYTES && x->reader.line.room <= TLX_MAX_HEAD_BYTES);
  EXPECT(x->reader.n_interim <= TLX_MAX_INTERIM_REPLIES + 1);
  EXPECT(x->reader.body.n <= x->reader.body.max && x->reader.body.room <= x->reader.body.max);
  EXPECT(x->reader.reply.status == 0 || is_final);
  EXPECT(carriage.begun && carriage.whole == (x->reader.state == TLX_EXCHANGE_DONE));
  EXPECT((carriage.failure != TLX_KIND_NONE) == (x->reader.state == TLX_EXCHANGE_BROKEN));
  EXPECT((*tlx_exchange_cause(x) != '\0') == (x->reader.state == TLX_EXCHANGE_BROKEN));
  EXPECT(x->reader.state != TLX_EXCHANGE_DONE || is_final);
  EXPECT(!tlx_exchange_is_reusable(x) || x->reader.state == TLX_EXCHANGE_DONE);
}

/* In memory of its own, so that a look beyond it is found. */
static void feed(tlx_exchange *x, tlx_str piece) {
  tlx_exchange_state before = x->reader.state;
  tlx_reply reply = x->reader.reply;
  size_t n_body = x->reader.body.n;
  char *copy = malloc(piece.n);
  if (!copy) abort();
  memcpy(copy, piece.p, piece.n);
  EXPECT(tlx_exchange_feed(x, (tlx_str){ copy, piece.n }) == x->reader.state);
  free(copy);
  check_standing(x);
  if (before == TLX_EXCHANGE_MORE) return;
  EXPECT(x->reader.state == before && x->reader.body.n == n_body);
  EXPECT(memcmp(&reply, &x->reader.reply, sizeof reply) == 0);
  EXPECT(!tlx_exchange_is_reusable(x));
}

static void run(tlx_exchange *x, const plan *p, knife k) {
  tlx_exchange_init(x, TLX_STR("POST"), false, p->max_response_bytes);
  tlx_exchange_wrote(x, tlx_exchange_offer(x).n);
  for (size_t i = 0, n; i < p->bytes.n; i += n) {
    n = next_length(&k, p->bytes.n - i);
    feed(x, (tlx_str){ p->bytes.p + i, n });
  }
  if (p->ending < 0) return;
  bool was_more = x->reader.state == TLX_EXCHANGE_MORE;
  tlx_exchange_end(x, (tlx_exchange_ending)p->ending);
  check_standing(x);
  EXPECT(x->reader.state != TLX_EXCHANGE_MORE && !tlx_exchange_is_reusable(x));
  if (was_more && x->reader.state == TLX_EXCHANGE_DONE) EXPECT(p->ending == TLX_ENDING_CLOSE);
}

static void expect_same(const tlx_exchange *a, const tlx_exchange *b) {
  EXPECT(a->reader.state == b->reader.state && a->reader.fault == b->reader.fault);
  EXPECT(memcmp(&a->reader.reply, &b->reader.reply, sizeof a->reader.reply) == 0);
  EXPECT(tlx_str_eq(tlx_exchange_body_of(a), tlx_exchange_body_of(b)));
  EXPECT(tlx_exchange_is_reusable(a) == tlx_exchange_is_reusable(b));
  EXPECT(a->reader.n_head == b->reader.n_head);
}

static void expect_same_when_cut(const tlx_exchange *whole, const plan *p, knife k) {
  tlx_exchange x;
  run(&x, p, k);
  expect_same(whole, &x);
  tlx_exchange_free(&x);
}

/* One that may be followed by another took each byte to be whole. */
static void expect_not_done_early(const plan *p) {
  tlx_exchange x;
  plan shorter = *p;
  shorter.bytes.n--;
  run(&x, &shorter, (knife){ WHOLE, 0 });
  EXPECT(x.reader.state == TLX_EXCHANGE_MORE);
  tlx_exchange_free(&x);
}

static void check(const plan *p, uint32_t chance) {
  tlx_exchange x;
  run(&x, p, (knife){ WHOLE, 0 });
  expect_same_when_cut(&x, p, (knife){ RANDOM, chance });
  if (p->bytes.n <= MOST_SINGLE_BYTES) expect_same_when_cut(&x, p, (knife){ SINGLE, 0 });
  if (tlx_exchange_is_reusable(&x)) expect_not_done_early(p);
  tlx_exchange_free(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const size_t MAXIMA[] = { 1 << 20, 20, 4096, 1 };
  static const size_t TIMES[] = { 1, 1, 1, 1, 2, 9, 66, 300 };
  if (size < 2) return 0;
  size_t n = size - 2, n_times = TIMES[data[0] >> 4 & 7];
  char *bytes = malloc(n * n_times + 1);
  if (!bytes) abort();
  for (size_t i = 0; i < n_times; i++) memcpy(bytes + i * n, data + 2, n);
  const plan p = { { bytes, n * n_times }, (data[0] & 3) - 1, MAXIMA[data[0] >> 2 & 3] };
  check(&p, data[1] * 2654435761u);
  free(bytes);
  return 0;
}

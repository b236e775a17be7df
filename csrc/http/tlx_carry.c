#include "tlx_engine.h"
#include "tlx_machine.h"

/* With a reply this long between two looks at the clock. */
#define READS_PER_LOOK 16

/* What comes after a reply is found by the look before the next request. */
static void conclude(tlx_http *http, tlx_connection *c) {
  tlx_transfer *t = c->transfer;
  t->was_stale = c->has_served && !tlx_transfer_may_be_read(t);
  if (tlx_transfer_may_be_followed(t)) {
    tlx_pool_keep(&http->pool, c, tlx_machine_now_ms());
  } else {
    tlx_engine_drop(http, c);
  }
  tlx_engine_settle(http, t);
}

static tlx_exchange_state feed(tlx_http *http, tlx_exchange *exchange, tlx_io io, size_t n) {
  if (io == TLX_IO_DONE) return tlx_exchange_feed(exchange, (tlx_str){ http->room, n });
  return tlx_exchange_end(exchange, io == TLX_IO_CLOSED ? TLX_ENDING_CLOSE : TLX_ENDING_BREAK);
}

/* However fast the other side goes on. */
static bool is_time_up(const tlx_http *http, const tlx_transfer *t) {
  return tlx_engine_is_spent(http) || tlx_machine_now_ms() >= t->deadline.at_ms;
}

/* Until there is no more: no poll shows what TLS has decrypted already. */
static void read_on(tlx_http *http, tlx_connection *c) {
  tlx_transfer *t = c->transfer;
  for (int n_reads = 1;; n_reads++) {
    size_t n;
    tlx_io io = tlx_connection_receive(c, http->room, sizeof http->room, &n);
    if (io == TLX_IO_AGAIN && !c->is_mute) return;
    if (feed(http, &t->exchange, io, n) != TLX_EXCHANGE_MORE) {
      conclude(http, c);
      return;
    }
    if (n_reads % READS_PER_LOOK == 0 && is_time_up(http, t)) {
      tlx_list_append(&http->pool.half_read, &c->link);
      return;
    }
  }
}

/* A refused request may have been answered all the same, as one that is too large is. */
static void write_on(tlx_http *http, tlx_connection *c) {
  tlx_exchange *exchange = &((tlx_transfer *)c->transfer)->exchange;
  tlx_io io = TLX_IO_DONE;
  tlx_str rest;
  while (io == TLX_IO_DONE && (rest = tlx_exchange_offer(exchange)).n > 0) {
    size_t n;
    io = tlx_connection_send(c, rest, &n);
    tlx_exchange_wrote(exchange, n);
  }
  /* It is watched already, so this takes no memory. */
  tlx_watch_set(&http->watch, c->fd, io == TLX_IO_AGAIN ? POLLIN | POLLOUT : POLLIN, c);
  if (io != TLX_IO_BROKEN) return;
  c->is_mute = true;
  read_on(http, c);
}

void tlx_carry_begin(tlx_http *http, tlx_transfer *t, tlx_connection *c) {
  c->transfer = t;
  t->connection = c;
  tlx_list_append(&http->in_flight, &t->link);
  write_on(http, c);
}

void tlx_carry_on(tlx_http *http, tlx_connection *c, short events) {
  tlx_list_append(&http->pool.busy, &c->link);
  const tlx_transfer *t = c->transfer;
  if (events & POLLOUT && !tlx_exchange_is_written(&t->exchange)) {
    write_on(http, c);
    if (t->is_done) return;
  }
  if (events & POLLIN) read_on(http, c);
}

void tlx_carry_rest(tlx_http *http) {
  for (size_t n = http->pool.half_read.n; n > 0; n--) {
    tlx_carry_on(http, (tlx_connection *)http->pool.half_read.first, POLLIN);
  }
}

void tlx_carry_end(tlx_http *http, tlx_transfer *t) {
  tlx_connection *c = t->connection;
  read_on(http, c);
  if (t->is_done) return;
  tlx_exchange_end(&t->exchange, TLX_ENDING_TIMEOUT);
  conclude(http, c);
}

#include "tlx_exchange.h"

void tlx_exchange_init(tlx_exchange *x, tlx_str request, bool is_sealed,
                       size_t max_response_bytes) {
  *x = (tlx_exchange){ .request = request, .is_sealed = is_sealed };
  tlx_reader_init(&x->reader, max_response_bytes);
}

void tlx_exchange_free(tlx_exchange *x) {
  tlx_reader_free(&x->reader);
}

/* ---- writing ------------------------------------------------------------------------------- */

bool tlx_exchange_is_written(const tlx_exchange *x) {
  return x->n_written == x->request.n;
}

tlx_str tlx_exchange_offer(tlx_exchange *x) {
  bool is_answered = x->reader.state != TLX_EXCHANGE_MORE || x->reader.reply.status > 0;
  if (is_answered || tlx_exchange_is_written(x)) return (tlx_str){ NULL, 0 };
  x->was_offered = true;
  return (tlx_str){ x->request.p + x->n_written, x->request.n - x->n_written };
}

void tlx_exchange_wrote(tlx_exchange *x, size_t n) {
  size_t n_left = x->request.n - x->n_written;
  x->n_written += n < n_left ? n : n_left;
}

void tlx_exchange_tore(tlx_exchange *x) {
  x->was_torn = true;
}

bool tlx_exchange_has_begun(const tlx_exchange *x) {
  bool is_one_record = x->is_sealed && x->request.n <= TLX_SEALED_BYTES;
  bool may_be_counted_short = x->was_torn || (x->is_sealed && x->was_offered);
  return x->n_written > 0 || x->reader.reply.status > 0 || (may_be_counted_short && !is_one_record);
}

/* ---- reading ------------------------------------------------------------------------------- */

tlx_exchange_state tlx_exchange_feed(tlx_exchange *x, tlx_str bytes) {
  if (bytes.n == 0) return x->reader.state;
  if (x->reader.state == TLX_EXCHANGE_MORE && !tlx_exchange_has_begun(x)) {
    tlx_reader_break(&x->reader, TLX_FAULT_UNASKED);
  }
  bytes = tlx_reader_feed(&x->reader, bytes);
  /* Whoever answers before the request is whole may not read the rest of it. */
  bool is_early = x->reader.reply.status > 0 && !tlx_exchange_is_written(x);
  if (bytes.n || is_early) x->is_last = true;
  return x->reader.state;
}

tlx_exchange_state tlx_exchange_end(tlx_exchange *x, tlx_exchange_ending ending) {
  x->is_last = true;
  if (x->reader.state != TLX_EXCHANGE_MORE) return x->reader.state;
  if (ending == TLX_ENDING_TIMEOUT) {
    tlx_reader_break(&x->reader, TLX_FAULT_TIMEOUT);
  } else if (ending == TLX_ENDING_CLOSE && tlx_reader_reads_to_end(&x->reader)) {
    x->reader.state = TLX_EXCHANGE_DONE;
  } else if (x->reader.reply.status > 0) {
    tlx_reader_break(&x->reader, TLX_FAULT_CUT);
  } else {
    tlx_reader_break(&x->reader, ending == TLX_ENDING_CLOSE ? TLX_FAULT_CLOSED : TLX_FAULT_RESET);
  }
  return x->reader.state;
}

/* ---- what came of it ------------------------------------------------------------------------ */

bool tlx_exchange_is_reusable(const tlx_exchange *x) {
  return x->reader.state == TLX_EXCHANGE_DONE && tlx_exchange_is_written(x) && !x->is_last &&
         !x->reader.head.is_odd;
}

tlx_exchange_state tlx_exchange_state_of(const tlx_exchange *x) {
  return x->reader.state;
}

const tlx_reply *tlx_exchange_reply(const tlx_exchange *x) {
  return &x->reader.reply;
}

tlx_carriage tlx_exchange_carriage(const tlx_exchange *x) {
  static const tlx_kind KINDS[] = {
#define XX(name, kind, words) TLX_KIND_##kind,
    TLX_EXCHANGE_FAULTS(XX)
#undef XX
  };
  return (tlx_carriage){ tlx_exchange_has_begun(x), x->reader.state == TLX_EXCHANGE_DONE,
                         KINDS[x->reader.fault] };
}

tlx_str tlx_exchange_body_of(const tlx_exchange *x) {
  return tlx_buffer_view(&x->reader.body);
}

const char *tlx_exchange_cause(const tlx_exchange *x) {
  static const char *const CAUSES[] = {
#define XX(name, kind, words) words,
    TLX_EXCHANGE_FAULTS(XX)
#undef XX
  };
  return CAUSES[x->reader.fault];
}

#include "tlx_reader.h"

#include <string.h>

#include "tlx_chunk.h"

/* A Content-Length is believed so far before its bytes are there. */
#define MAX_RESERVED_BYTES 65536

/* What comes next. */
enum {
  AT_STATUS_LINE, /* where an exchange begins: zero */
  IN_HEADERS,
  IN_BODY,
  IN_BODY_TO_END,
  AT_CHUNK_SIZE,
  IN_CHUNK,
  AT_CHUNK_CR,
  AT_CHUNK_LF,
  IN_TRAILERS
};

void tlx_exchange_break(tlx_exchange *x, tlx_exchange_fault fault) {
  x->state = TLX_EXCHANGE_BROKEN;
  x->fault = fault;
}

bool tlx_exchange_reads_to_end(const tlx_exchange *x) {
  return x->reader.place == IN_BODY_TO_END;
}

static tlx_str after(tlx_str bytes, size_t n) {
  return (tlx_str){ bytes.p + n, bytes.n - n };
}

/* ---- lines --------------------------------------------------------------------------------- */

static bool is_interim(const tlx_exchange *x) {
  return x->reader.head.status < 200;
}

static void read_status_line(tlx_exchange *x, tlx_str line) {
  tlx_head *head = &x->reader.head;
  tlx_exchange_fault fault = tlx_head_begin(head, tlx_head_bare_line(head, line));
  if (fault == TLX_FAULT_NONE && is_interim(x) && ++x->reader.n_interim > TLX_MAX_INTERIM_REPLIES) {
    fault = TLX_FAULT_TOO_MANY_INTERIM;
  }
  if (fault != TLX_FAULT_NONE) {
    tlx_exchange_break(x, fault);
    return;
  }
  x->reader.place = IN_HEADERS;
  if (is_interim(x)) return;
  x->reply.status = head->status;
  /* Whoever answers before the request is whole may not read the rest of it. */
  if (!tlx_exchange_is_written(x)) x->reader.is_last = true;
}

static void expect_length(tlx_exchange *x, size_t n) {
  size_t n_reserved = n < MAX_RESERVED_BYTES ? n : MAX_RESERVED_BYTES;
  if (n > x->body.max) {
    tlx_exchange_break(x, TLX_FAULT_BODY_TOO_LONG);
  } else if (!tlx_buffer_reserve(&x->body, n_reserved)) {
    tlx_exchange_break(x, TLX_FAULT_NO_MEMORY);
  } else if (n == 0) {
    x->state = TLX_EXCHANGE_DONE;
  }
  x->reader.n_left = n;
  x->reader.place = IN_BODY;
}

static void begin_body(tlx_exchange *x) {
  tlx_framing framing = TLX_FRAMING_NONE;
  tlx_exchange_fault fault = tlx_head_framing(&x->reader.head, &framing);
  if (fault != TLX_FAULT_NONE) {
    tlx_exchange_break(x, fault);
    return;
  }
  switch (framing) {
    case TLX_FRAMING_NONE:
      x->state = TLX_EXCHANGE_DONE;
      break;
    case TLX_FRAMING_LENGTH:
      expect_length(x, x->reader.head.n_length);
      break;
    case TLX_FRAMING_CHUNKED:
      x->reader.place = AT_CHUNK_SIZE;
      break;
    case TLX_FRAMING_TO_END:
      x->reader.place = IN_BODY_TO_END;
      break;
  }
}

static void end_head(tlx_exchange *x) {
  if (x->reader.place == IN_TRAILERS) {
    x->state = TLX_EXCHANGE_DONE;
  } else if (is_interim(x)) {
    x->reader.place = AT_STATUS_LINE;
  } else {
    x->reply.is_head_whole = true;
    begin_body(x);
  }
}

static void read_header(tlx_exchange *x, tlx_str line) {
  tlx_head *head = &x->reader.head;
  bool is_read = x->reader.place == IN_HEADERS && !is_interim(x);
  line = tlx_head_bare_line(head, line);
  if (line.n == 0) {
    end_head(x);
    return;
  }
  tlx_exchange_fault fault = tlx_head_field(head, is_read ? &x->reply : NULL, line);
  if (fault != TLX_FAULT_NONE) tlx_exchange_break(x, fault);
}

static void read_chunk_size(tlx_exchange *x, tlx_str line) {
  size_t size = 0;
  if (!tlx_chunk_size(line, &size)) {
    tlx_exchange_break(x, TLX_FAULT_BAD_CHUNK);
  } else if (size > x->body.max - x->body.n) {
    tlx_exchange_break(x, TLX_FAULT_BODY_TOO_LONG);
  } else if (size > 0) {
    x->reader.n_left = size;
    x->reader.place = IN_CHUNK;
  } else {
    x->reader.head.last = TLX_LAST_NONE;
    x->reader.place = IN_TRAILERS;
  }
}

/* Why a line that has grown to n_line bytes, `piece` at its end, is none. The same however it was
 * cut: so the beginning is looked at before the length. */
static tlx_exchange_fault fault_of_line(const tlx_exchange *x, tlx_str piece, size_t n_line) {
  if (x->reader.place == AT_CHUNK_SIZE) {
    size_t n_end = piece.p[piece.n - 1] == '\n' ? 2 : 1;
    return n_line > TLX_MAX_CHUNK_LINE_BYTES + n_end ? TLX_FAULT_BAD_CHUNK : TLX_FAULT_NONE;
  }
  if (x->reader.place == AT_STATUS_LINE && !tlx_head_may_begin(piece, n_line - piece.n)) {
    return TLX_FAULT_NOT_HTTP;
  }
  return n_line > TLX_MAX_HEAD_BYTES - x->reader.n_head ? TLX_FAULT_HEAD_TOO_LONG : TLX_FAULT_NONE;
}

static void read_whole_line(tlx_exchange *x, tlx_str line) {
  if (x->reader.place == AT_CHUNK_SIZE) {
    read_chunk_size(x, line);
    return;
  }
  x->reader.n_head += line.n;
  if (x->reader.place == AT_STATUS_LINE) {
    read_status_line(x, line);
  } else {
    read_header(x, line);
  }
}

/* A line within the piece is read where it is; one that was cut is collected first. */
static tlx_str read_line(tlx_exchange *x, tlx_str bytes) {
  tlx_buffer *cut = &x->reader.line;
  const char *end = memchr(bytes.p, '\n', bytes.n);
  tlx_str piece = { bytes.p, end ? (size_t)(end - bytes.p) + 1 : bytes.n };
  tlx_exchange_fault fault = fault_of_line(x, piece, cut->n + piece.n);
  bool is_whole = end && cut->n == 0;
  if (fault == TLX_FAULT_NONE && !is_whole && !tlx_buffer_append(cut, piece)) {
    fault = TLX_FAULT_NO_MEMORY;
  }
  if (fault != TLX_FAULT_NONE) {
    tlx_exchange_break(x, fault);
  } else if (end) {
    tlx_str line = is_whole ? piece : tlx_buffer_view(cut);
    cut->n = 0;
    read_whole_line(x, line);
  }
  return after(bytes, piece.n);
}

/* ---- bodies -------------------------------------------------------------------------------- */

static void keep_body(tlx_exchange *x, tlx_str bytes) {
  size_t n_room = x->body.max - x->body.n;
  bool is_too_long = bytes.n > n_room;
  if (is_too_long) bytes.n = n_room;
  if (!tlx_buffer_append(&x->body, bytes)) {
    tlx_exchange_break(x, TLX_FAULT_NO_MEMORY);
  } else if (is_too_long) {
    tlx_exchange_break(x, TLX_FAULT_BODY_TOO_LONG);
  }
}

static tlx_str read_counted(tlx_exchange *x, tlx_str bytes) {
  size_t n = bytes.n < x->reader.n_left ? bytes.n : x->reader.n_left;
  keep_body(x, (tlx_str){ bytes.p, n });
  x->reader.n_left -= n;
  if (x->state == TLX_EXCHANGE_MORE && x->reader.n_left == 0) {
    if (x->reader.place == IN_CHUNK) {
      x->reader.place = AT_CHUNK_CR;
    } else {
      x->state = TLX_EXCHANGE_DONE;
    }
  }
  return after(bytes, n);
}

static tlx_str read_chunk_end(tlx_exchange *x, tlx_str bytes) {
  bool is_cr = x->reader.place == AT_CHUNK_CR;
  if (bytes.p[0] != (is_cr ? '\r' : '\n')) tlx_exchange_break(x, TLX_FAULT_BAD_CHUNK);
  x->reader.place = is_cr ? AT_CHUNK_LF : AT_CHUNK_SIZE;
  return after(bytes, 1);
}

static tlx_str read_some(tlx_exchange *x, tlx_str bytes) {
  switch (x->reader.place) {
    case IN_BODY:
    case IN_CHUNK:
      return read_counted(x, bytes);
    case IN_BODY_TO_END:
      keep_body(x, bytes);
      return after(bytes, bytes.n);
    case AT_CHUNK_CR:
    case AT_CHUNK_LF:
      return read_chunk_end(x, bytes);
    default:
      return read_line(x, bytes);
  }
}

tlx_str tlx_exchange_read(tlx_exchange *x, tlx_str bytes) {
  while (bytes.n && x->state == TLX_EXCHANGE_MORE) bytes = read_some(x, bytes);
  return bytes;
}

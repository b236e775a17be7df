#include "tlx_reader.h"

#include <string.h>

#include "tlx_chunk.h"

/* A Content-Length is believed so far before its bytes are there. */
#define MAX_RESERVED_BYTES 65536

/* What comes next. */
enum {
  AT_STATUS_LINE, /* where a reply begins: zero */
  IN_HEADERS,
  IN_BODY,
  IN_BODY_TO_END,
  AT_CHUNK_SIZE,
  IN_CHUNK,
  AT_CHUNK_CR,
  AT_CHUNK_LF,
  IN_TRAILERS
};

void tlx_reader_init(tlx_reader *r, size_t max_body_bytes) {
  memset(r, 0, sizeof *r);
  r->body.max = max_body_bytes;
  r->line.max = TLX_MAX_HEAD_BYTES;
}

void tlx_reader_free(tlx_reader *r) {
  tlx_buffer_free(&r->body);
  tlx_buffer_free(&r->line);
}

void tlx_reader_break(tlx_reader *r, tlx_exchange_fault fault) {
  r->state = TLX_EXCHANGE_BROKEN;
  r->fault = fault;
}

bool tlx_reader_reads_to_end(const tlx_reader *r) {
  return r->place == IN_BODY_TO_END;
}

static tlx_str after(tlx_str bytes, size_t n) {
  return (tlx_str){ bytes.p + n, bytes.n - n };
}

/* ---- lines --------------------------------------------------------------------------------- */

static bool is_interim(const tlx_reader *r) {
  return r->head.status < 200;
}

static void read_status_line(tlx_reader *r, tlx_str line) {
  tlx_head *head = &r->head;
  tlx_exchange_fault fault = tlx_head_begin(head, tlx_head_bare_line(head, line));
  if (fault == TLX_FAULT_NONE && is_interim(r) && ++r->n_interim > TLX_MAX_INTERIM_REPLIES) {
    fault = TLX_FAULT_TOO_MANY_INTERIM;
  }
  if (fault != TLX_FAULT_NONE) {
    tlx_reader_break(r, fault);
    return;
  }
  r->place = IN_HEADERS;
  if (is_interim(r)) return;
  r->reply.status = head->status;
}

static void expect_length(tlx_reader *r, size_t n) {
  size_t n_reserved = n < MAX_RESERVED_BYTES ? n : MAX_RESERVED_BYTES;
  if (n > r->body.max) {
    tlx_reader_break(r, TLX_FAULT_BODY_TOO_LONG);
  } else if (!tlx_buffer_reserve(&r->body, n_reserved)) {
    tlx_reader_break(r, TLX_FAULT_NO_MEMORY);
  } else if (n == 0) {
    r->state = TLX_EXCHANGE_DONE;
  }
  r->n_left = n;
  r->place = IN_BODY;
}

static void begin_body(tlx_reader *r) {
  tlx_framing framing = TLX_FRAMING_NONE;
  tlx_exchange_fault fault = tlx_head_framing(&r->head, &framing);
  if (fault != TLX_FAULT_NONE) {
    tlx_reader_break(r, fault);
    return;
  }
  switch (framing) {
    case TLX_FRAMING_NONE:
      r->state = TLX_EXCHANGE_DONE;
      break;
    case TLX_FRAMING_LENGTH:
      expect_length(r, r->head.n_length);
      break;
    case TLX_FRAMING_CHUNKED:
      r->place = AT_CHUNK_SIZE;
      break;
    case TLX_FRAMING_TO_END:
      r->place = IN_BODY_TO_END;
      break;
  }
}

static void end_head(tlx_reader *r) {
  if (r->place == IN_TRAILERS) {
    r->state = TLX_EXCHANGE_DONE;
  } else if (is_interim(r)) {
    r->place = AT_STATUS_LINE;
  } else {
    begin_body(r);
  }
}

static void read_header(tlx_reader *r, tlx_str line) {
  tlx_head *head = &r->head;
  bool is_read = r->place == IN_HEADERS && !is_interim(r);
  line = tlx_head_bare_line(head, line);
  if (line.n == 0) {
    end_head(r);
    return;
  }
  tlx_exchange_fault fault = tlx_head_field(head, is_read ? &r->reply : NULL, line);
  if (fault != TLX_FAULT_NONE) tlx_reader_break(r, fault);
}

static void read_chunk_size(tlx_reader *r, tlx_str line) {
  size_t size = 0;
  if (!tlx_chunk_size(line, &size)) {
    tlx_reader_break(r, TLX_FAULT_BAD_CHUNK);
  } else if (size > r->body.max - r->body.n) {
    tlx_reader_break(r, TLX_FAULT_BODY_TOO_LONG);
  } else if (size > 0) {
    r->n_left = size;
    r->place = IN_CHUNK;
  } else {
    r->head.last = TLX_LAST_NONE;
    r->place = IN_TRAILERS;
  }
}

/* Why a line that has grown to n_line bytes, `piece` at its end, is none. The same however it was
 * cut: so the beginning is looked at before the length. */
static tlx_exchange_fault fault_of_line(const tlx_reader *r, tlx_str piece, size_t n_line) {
  if (r->place == AT_CHUNK_SIZE) {
    size_t n_end = piece.p[piece.n - 1] == '\n' ? 2 : 1;
    return n_line > TLX_MAX_CHUNK_LINE_BYTES + n_end ? TLX_FAULT_BAD_CHUNK : TLX_FAULT_NONE;
  }
  if (r->place == AT_STATUS_LINE && !tlx_head_may_begin(piece, n_line - piece.n)) {
    return TLX_FAULT_NOT_HTTP;
  }
  return n_line > TLX_MAX_HEAD_BYTES - r->n_head ? TLX_FAULT_HEAD_TOO_LONG : TLX_FAULT_NONE;
}

static void read_whole_line(tlx_reader *r, tlx_str line) {
  if (r->place == AT_CHUNK_SIZE) {
    read_chunk_size(r, line);
    return;
  }
  r->n_head += line.n;
  if (r->place == AT_STATUS_LINE) {
    read_status_line(r, line);
  } else {
    read_header(r, line);
  }
}

/* A line within the piece is read where it is; one that was cut is collected first. */
static tlx_str read_line(tlx_reader *r, tlx_str bytes) {
  tlx_buffer *cut = &r->line;
  const char *end = memchr(bytes.p, '\n', bytes.n);
  tlx_str piece = { bytes.p, end ? (size_t)(end - bytes.p) + 1 : bytes.n };
  tlx_exchange_fault fault = fault_of_line(r, piece, cut->n + piece.n);
  bool is_whole = end && cut->n == 0;
  if (fault == TLX_FAULT_NONE && !is_whole && !tlx_buffer_append(cut, piece)) {
    fault = TLX_FAULT_NO_MEMORY;
  }
  if (fault != TLX_FAULT_NONE) {
    tlx_reader_break(r, fault);
  } else if (end) {
    tlx_str line = is_whole ? piece : tlx_buffer_view(cut);
    cut->n = 0;
    read_whole_line(r, line);
  }
  return after(bytes, piece.n);
}

/* ---- bodies -------------------------------------------------------------------------------- */

static void keep_body(tlx_reader *r, tlx_str bytes) {
  size_t n_room = r->body.max - r->body.n;
  bool is_too_long = bytes.n > n_room;
  if (is_too_long) bytes.n = n_room;
  if (!tlx_buffer_append(&r->body, bytes)) {
    tlx_reader_break(r, TLX_FAULT_NO_MEMORY);
  } else if (is_too_long) {
    tlx_reader_break(r, TLX_FAULT_BODY_TOO_LONG);
  }
}

static tlx_str read_counted(tlx_reader *r, tlx_str bytes) {
  size_t n = bytes.n < r->n_left ? bytes.n : r->n_left;
  keep_body(r, (tlx_str){ bytes.p, n });
  r->n_left -= n;
  if (r->state == TLX_EXCHANGE_MORE && r->n_left == 0) {
    if (r->place == IN_CHUNK) {
      r->place = AT_CHUNK_CR;
    } else {
      r->state = TLX_EXCHANGE_DONE;
    }
  }
  return after(bytes, n);
}

static tlx_str read_chunk_end(tlx_reader *r, tlx_str bytes) {
  bool is_cr = r->place == AT_CHUNK_CR;
  if (bytes.p[0] != (is_cr ? '\r' : '\n')) tlx_reader_break(r, TLX_FAULT_BAD_CHUNK);
  r->place = is_cr ? AT_CHUNK_LF : AT_CHUNK_SIZE;
  return after(bytes, 1);
}

static tlx_str read_some(tlx_reader *r, tlx_str bytes) {
  switch (r->place) {
    case IN_BODY:
    case IN_CHUNK:
      return read_counted(r, bytes);
    case IN_BODY_TO_END:
      keep_body(r, bytes);
      return after(bytes, bytes.n);
    case AT_CHUNK_CR:
    case AT_CHUNK_LF:
      return read_chunk_end(r, bytes);
    default:
      return read_line(r, bytes);
  }
}

tlx_str tlx_reader_feed(tlx_reader *r, tlx_str bytes) {
  while (bytes.n && r->state == TLX_EXCHANGE_MORE) bytes = read_some(r, bytes);
  return bytes;
}

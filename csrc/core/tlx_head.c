#include "tlx_head.h"

#include <string.h>

static const tlx_str HTTP_1 = { "HTTP/1.", 7 };

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

static tlx_str trimmed(tlx_str s) {
  while (s.n && is_blank(s.p[0])) s = (tlx_str){ s.p + 1, s.n - 1 };
  while (s.n && is_blank(s.p[s.n - 1])) s.n--;
  return s;
}

/* Takes the next element off a list with commas, without the blanks around it. */
static tlx_str take_element(tlx_str *list) {
  const char *comma = list->n ? memchr(list->p, ',', list->n) : NULL;
  tlx_str element = { list->p, comma ? (size_t)(comma - list->p) : list->n };
  size_t n_taken = element.n + (comma ? 1 : 0);
  *list = comma ? (tlx_str){ list->p + n_taken, list->n - n_taken } : (tlx_str){ NULL, 0 };
  return trimmed(element);
}

tlx_str tlx_head_bare_line(tlx_head *head, tlx_str line) {
  line.n--;
  if (line.n && line.p[line.n - 1] == '\r') {
    line.n--;
  } else {
    head->is_odd = true;
  }
  return line;
}

bool tlx_head_may_begin(tlx_str bytes, size_t offset) {
  if (offset >= HTTP_1.n) return true;
  size_t n = HTTP_1.n - offset;
  return memcmp(bytes.p, HTTP_1.p + offset, bytes.n < n ? bytes.n : n) == 0;
}

/* "HTTP/1.1 200 OK", "HTTP/1.1 200": the three digits, or -1. */
static int status_of(tlx_str line) {
  enum { VERSION = 7, SPACE, STATUS, END = STATUS + 3 };
  if (line.n < END || !tlx_head_may_begin(line, 0)) return -1;
  if (!is_digit(line.p[VERSION]) || line.p[SPACE] != ' ') return -1;
  if (line.n > END && line.p[END] != ' ') return -1;
  int status = 0;
  for (int i = STATUS; i < END; i++) {
    if (!is_digit(line.p[i])) return -1;
    status = status * 10 + (line.p[i] - '0');
  }
  return tlx_has_control(line) ? -1 : status;
}

tlx_exchange_fault tlx_head_begin(tlx_head *head, tlx_str line) {
  bool is_odd = head->is_odd;
  int status = status_of(line);
  if (status < 0) return TLX_FAULT_NOT_HTTP;
  if (status < 100 || status == 101 || status > 599) return TLX_FAULT_BAD_STATUS;
  char minor = line.p[HTTP_1.n];
  *head =
      (tlx_head){ .status = status, .is_http_1_0 = minor == '0', .is_odd = is_odd || minor != '1' };
  return TLX_FAULT_NONE;
}

/* RFC 9110 §5.6.2 */
static bool is_token_byte(char c) {
  if ((c >= 'a' && c <= 'z') || c == '-' || (c >= 'A' && c <= 'Z') || is_digit(c)) return true;
  return c != ':' && c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL;
}

/* False when there is a digit missing, something else than digits, or more than can be counted. */
static bool read_length(tlx_str digits, size_t *length) {
  size_t value = 0;
  for (size_t i = 0; i < digits.n; i++) {
    if (!is_digit(digits.p[i]) || value > (SIZE_MAX - 9) / 10) return false;
    value = value * 10 + (size_t)(digits.p[i] - '0');
  }
  *length = value;
  return digits.n > 0;
}

static void take_content_length(tlx_head *head, tlx_str value) {
  do {
    size_t length = 0;
    bool is_good = read_length(take_element(&value), &length);
    if (!is_good || (head->has_length && length != head->n_length)) head->is_length_bad = true;
    if (head->has_length) head->is_odd = true;
    head->has_length = true;
    head->n_length = length;
  } while (value.p);
}

static void take_transfer_encoding(tlx_head *head, tlx_str value) {
  if (head->has_coding || !tlx_str_eq_nocase(trimmed(value), TLX_STR("chunked"))) {
    head->is_coding_bad = true;
  }
  head->has_coding = true;
}

static void take_connection(tlx_head *head, tlx_str value) {
  do {
    tlx_str option = take_element(&value);
    if (tlx_str_eq_nocase(option, TLX_STR("close")) ||
        tlx_str_eq_nocase(option, TLX_STR("upgrade"))) {
      head->is_odd = true;
    }
  } while (value.p);
}

static bool take_framing(tlx_head *head, tlx_str name, tlx_str value) {
  static const struct {
    tlx_str name;
    void (*take)(tlx_head *head, tlx_str value);
  } HEADERS[] = {
    { { "connection", 10 }, take_connection },
    { { "content-length", 14 }, take_content_length },
    { { "transfer-encoding", 17 }, take_transfer_encoding },
  };
  for (size_t i = 0; i < sizeof HEADERS / sizeof HEADERS[0]; i++) {
    if (name.n != HEADERS[i].name.n || !tlx_str_eq_nocase(name, HEADERS[i].name)) continue;
    HEADERS[i].take(head, value);
    return true;
  }
  return false;
}

/* A line that goes on with the header before it (RFC 9112 §5.2): what it says is not known then. */
static tlx_exchange_fault take_fold(tlx_head *head, tlx_reply *reply, tlx_str line) {
  if (head->last == TLX_LAST_NONE || tlx_has_control(line)) return TLX_FAULT_BAD_HEADER;
  head->is_odd = true;
  if (head->last == TLX_LAST_FRAMING) head->is_framing_folded = true;
  if (head->last == TLX_LAST_READ) tlx_reply_forget(reply, head->last_field);
  return TLX_FAULT_NONE;
}

static void take_field(tlx_head *head, tlx_reply *reply, tlx_str name, tlx_str value) {
  head->last = TLX_LAST_OTHER;
  if (!reply) return;
  if (take_framing(head, name, value)) {
    head->last = TLX_LAST_FRAMING;
    return;
  }
  head->last_field = tlx_reply_header(reply, name, value);
  if (head->last_field < TLX_N_REPLY_FIELDS) head->last = TLX_LAST_READ;
}

tlx_exchange_fault tlx_head_field(tlx_head *head, tlx_reply *reply, tlx_str line) {
  size_t n_name = 0;
  if (is_blank(line.p[0])) return take_fold(head, reply, line);
  while (n_name < line.n && is_token_byte(line.p[n_name])) n_name++;
  if (n_name == 0 || n_name == line.n || line.p[n_name] != ':') return TLX_FAULT_BAD_HEADER;
  tlx_str value = { line.p + n_name + 1, line.n - n_name - 1 };
  if (tlx_has_control(value)) return TLX_FAULT_BAD_HEADER;
  take_field(head, reply, (tlx_str){ line.p, n_name }, value);
  return TLX_FAULT_NONE;
}

/* RFC 9112 §6.3, in its order. */
tlx_exchange_fault tlx_head_framing(tlx_head *head, tlx_framing *framing) {
  bool is_bodiless = head->status == 204 || head->status == 304;
  if (head->is_framing_folded) return TLX_FAULT_BAD_HEADER;
  if (is_bodiless) {
    bool says_more =
        head->has_coding || head->is_length_bad || (head->has_length && head->status == 204);
    head->is_odd = head->is_odd || says_more;
    *framing = TLX_FRAMING_NONE;
  } else if (head->has_coding) {
    if (head->is_coding_bad || head->is_http_1_0) return TLX_FAULT_BAD_CODING;
    head->is_odd = head->is_odd || head->has_length;
    *framing = TLX_FRAMING_CHUNKED;
  } else if (head->has_length) {
    if (head->is_length_bad) return TLX_FAULT_BAD_LENGTH;
    *framing = TLX_FRAMING_LENGTH;
  } else {
    head->is_odd = true;
    *framing = TLX_FRAMING_TO_END;
  }
  return TLX_FAULT_NONE;
}

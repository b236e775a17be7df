/* Why an exchange broke. One list, from which the names, the kinds and the words follow. */
#ifndef TLX_FAULTS_H
#define TLX_FAULTS_H

/* XX(name, kind, what happened). The words follow "the request went out, then: " or stand alone. */
#define TLX_EXCHANGE_FAULTS(XX)                                                        \
  XX(NONE, NONE, "")                                                                   \
  XX(UNASKED, PROTOCOL, "the other side spoke before it was asked")                    \
  XX(CLOSED, CONNECTION, "the connection was closed before an answer")                 \
  XX(RESET, CONNECTION, "the connection broke before an answer")                       \
  XX(CUT, CONNECTION, "the connection ended before the answer was whole")              \
  XX(TIMEOUT, TIMEOUT, "no whole answer came in time")                                 \
  XX(NOT_HTTP, PROTOCOL, "the answer does not begin as HTTP/1.1 does")                 \
  XX(BAD_STATUS, PROTOCOL, "the answer has a status that answers no request")          \
  XX(HEAD_TOO_LONG, PROTOCOL, "the answer has more than 64 KiB of headers")            \
  XX(TOO_MANY_INTERIM, PROTOCOL, "the answer keeps promising another one")             \
  XX(BAD_HEADER, PROTOCOL, "the answer has a header that is none")                     \
  XX(BAD_LENGTH, PROTOCOL, "the answer has a Content-Length that is none, or several") \
  XX(BAD_CODING, PROTOCOL, "the answer has a Transfer-Encoding other than chunked")    \
  XX(BAD_CHUNK, PROTOCOL, "the answer has a chunk that does not keep to its size")     \
  XX(BODY_TOO_LONG, PROTOCOL, "the answer is larger than max_response_bytes allows")   \
  XX(NO_MEMORY, CONNECTION, "memory ran out while the answer arrived")

typedef enum tlx_exchange_fault {
#define XX(name, kind, words) TLX_FAULT_##name,
  TLX_EXCHANGE_FAULTS(XX)
#undef XX
      TLX_N_FAULTS
} tlx_exchange_fault;

#endif

#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>

static const char *certificate;
static SSL_CTX *context;

static void begin(void) {
  signal(SIGPIPE, SIG_IGN);
  context = SSL_CTX_new(TLS_server_method());
  if (context && SSL_CTX_use_certificate_chain_file(context, certificate) == 1 &&
      SSL_CTX_use_PrivateKey_file(context, certificate, SSL_FILETYPE_PEM) == 1) {
    return;
  }
  ERR_print_errors_fp(stderr);
  _Exit(1);
}

static void *open_session(int fd) {
  SSL *session = SSL_new(context);
  if (!session) return NULL;
  SSL_set_fd(session, fd);
  SSL_set_accept_state(session);
  return session;
}

/* Reading shakes hands first. */
static ssize_t recv_bytes(void *session, int fd, void *room, size_t size) {
  (void)fd;
  ERR_clear_error();
  int n = SSL_read(session, room, (int)size);
  if (n > 0) return n;
  int why = SSL_get_error(session, n);
  if (why == SSL_ERROR_ZERO_RETURN) return 0;
  errno = why == SSL_ERROR_WANT_READ ? EAGAIN : EIO;
  return -1;
}

static ssize_t send_bytes(void *session, int fd, const void *bytes, size_t n) {
  (void)fd;
  ERR_clear_error();
  return SSL_write(session, bytes, (int)n) > 0 ? (ssize_t)n : -1;
}

static void close_session(void *session) {
  SSL_free(session);
}

canned tls_service_start(const char *certificate_file) {
  static const canned_wire TLS = { begin, open_session, recv_bytes, send_bytes, close_session };
  certificate = certificate_file;
  return canned_start_on(&TLS);
}

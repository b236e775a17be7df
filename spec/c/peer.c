#define _POSIX_C_SOURCE 200809L
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_CONNECTIONS 64
#define PATIENCE_SECONDS 5
#define PERIOD 251 /* of the text: a prime, so that no piece of it can stand for its neighbour */

typedef struct connection {
  int fd;
  SSL *ssl; /* NULL when plain */
  size_t n_read, n_written;
  long offered;
} connection;

typedef struct command {
  peer_verb verb;
  int which;
  size_t n;
} command;

static connection connections[MAX_CONNECTIONS];
static int n_connections;

static void must(bool is_so, const char *what) {
  if (is_so) return;
  fprintf(stderr, "peer: %s failed\n", what);
  exit(1);
}

const char *peer_text(size_t offset) {
  static char *text;
  if (!text) {
    text = malloc(PEER_LONGEST + PERIOD);
    must(text != NULL, "malloc");
    for (size_t i = 0; i < PEER_LONGEST + PERIOD; i++) text[i] = (char)(i % PERIOD);
  }
  return text + offset % PERIOD;
}

/* ---- TLS ----------------------------------------------------------------------------------- */

static EVP_PKEY *make_key(void) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
  must(maker && EVP_PKEY_keygen_init(maker) == 1 &&
           EVP_PKEY_CTX_set_ec_paramgen_curve_nid(maker, NID_X9_62_prime256v1) == 1 &&
           EVP_PKEY_keygen(maker, &key) == 1,
       "making a key");
  EVP_PKEY_CTX_free(maker);
  return key;
}

static X509 *make_certificate(EVP_PKEY *key) {
  X509 *certificate = X509_new();
  must(certificate && X509_set_version(certificate, 2) &&
           ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) &&
           X509_set_pubkey(certificate, key) && X509_sign(certificate, key, EVP_sha256()) > 0,
       "making a certificate");
  return certificate;
}

/* Takes h2 where it is offered, as servers do. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *n_chosen,
                           const unsigned char *offered, unsigned n_offered, void *context) {
  static const unsigned char known[] = "\x02h2\x08http/1.1";
  connection *c = SSL_get_app_data(ssl);
  unsigned char *protocol = NULL;
  (void)context;
  c->offered = n_offered == 9 && memcmp(offered, "\x08http/1.1", 9) == 0 ? 1 : -1;
  int found =
      SSL_select_next_proto(&protocol, n_chosen, known, sizeof known - 1, offered, n_offered);
  *chosen = protocol;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *make_context(peer_kind kind) {
  int version = kind == PEER_TLS12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  EVP_PKEY *key = make_key();
  X509 *certificate = make_certificate(key);
  must(context && SSL_CTX_set_min_proto_version(context, version) == 1 &&
           SSL_CTX_set_max_proto_version(context, version) == 1 &&
           SSL_CTX_use_certificate(context, certificate) == 1 &&
           SSL_CTX_use_PrivateKey(context, key) == 1,
       "making a TLS context");
  SSL_CTX_set_session_id_context(context, (const unsigned char *)"peer", 4);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

/* ---- what it is told ----------------------------------------------------------------------- */

static long accept_next(int listener, SSL_CTX *context) {
  struct sockaddr_in client;
  socklen_t n_client = sizeof client;
  struct timeval patience = { PATIENCE_SECONDS, 0 };
  must(n_connections < MAX_CONNECTIONS, "one more connection");
  connection *c = &connections[n_connections++];
  c->fd = accept(listener, (struct sockaddr *)&client, &n_client);
  must(c->fd >= 0, "accept");
  setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
  if (context) {
    c->ssl = SSL_new(context);
    must(c->ssl && SSL_set_fd(c->ssl, c->fd) && SSL_set_app_data(c->ssl, c), "SSL_new");
    must(SSL_accept(c->ssl) == 1, "SSL_accept");
  }
  return ntohs(client.sin_port);
}

static long write_text(connection *c, size_t n) {
  const char *text = peer_text(c->n_written);
  for (size_t n_done = 0; n_done < n;) {
    int now = c->ssl ? SSL_write(c->ssl, text + n_done, (int)(n - n_done))
                     : (int)send(c->fd, text + n_done, n - n_done, 0);
    if (now <= 0) return (long)n_done;
    n_done += (size_t)now;
    c->n_written += (size_t)now;
  }
  return (long)n;
}

/* Bytes; 0 at the end, however that comes; PEER_SILENCE. */
static long read_some(connection *c, char *room, size_t n) {
  long now = c->ssl ? SSL_read(c->ssl, room, (int)n) : recv(c->fd, room, n, 0);
  if (now > 0) return now;
  bool is_silent =
      c->ssl ? SSL_get_error(c->ssl, (int)now) == SSL_ERROR_WANT_READ : now < 0 && errno == EAGAIN;
  return is_silent ? PEER_SILENCE : 0;
}

static long read_text(connection *c, size_t most, bool to_the_end) {
  static char room[16384];
  size_t n_done = 0;
  while (n_done < most) {
    size_t wanted = most - n_done < sizeof room ? most - n_done : sizeof room;
    long now = read_some(c, room, wanted);
    if (now == PEER_SILENCE) return to_the_end ? PEER_SILENCE : (long)n_done;
    if (now == 0) return (long)n_done;
    if (memcmp(room, peer_text(c->n_read), (size_t)now) != 0) return PEER_GARBLED;
    c->n_read += (size_t)now;
    n_done += (size_t)now;
  }
  return (long)n_done;
}

static long end(connection *c, bool with_reset) {
  struct linger at_once = { 1, 0 };
  if (with_reset) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(c->fd);
  SSL_free(c->ssl);
  c->ssl = NULL;
  return 0;
}

static long obey(const command *told) {
  connection *c = &connections[told->which];
  switch (told->verb) {
    case PEER_ACCEPT: /* has no connection yet */
      return 0;
    case PEER_WRITE:
      return write_text(c, told->n);
    case PEER_READ:
      return read_text(c, told->n, false);
    case PEER_DRAIN:
      return read_text(c, (size_t)-1, true);
    case PEER_FIN:
      return shutdown(c->fd, SHUT_WR);
    case PEER_TICKET:
      must(SSL_new_session_ticket(c->ssl) == 1 && SSL_do_handshake(c->ssl) == 1, "a ticket");
      return 0;
    case PEER_NOTIFY:
      return SSL_shutdown(c->ssl);
    case PEER_RESET:
      return end(c, true);
    case PEER_CLOSE:
      return end(c, false);
    case PEER_OFFERED:
      return c->offered;
    case PEER_RESUMED:
      return SSL_session_reused(c->ssl);
  }
  return 0;
}

static void serve(int line, int listener, SSL_CTX *context) {
  command told;
  signal(SIGPIPE, SIG_IGN);
  while (read(line, &told, sizeof told) == (ssize_t)sizeof told) {
    long answer = told.verb == PEER_ACCEPT ? accept_next(listener, context) : obey(&told);
    if (write(line, &answer, sizeof answer) != (ssize_t)sizeof answer) break;
  }
  _exit(0);
}

/* ---- its starter's side -------------------------------------------------------------------- */

static int listen_somewhere(unsigned *port) {
  struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
  socklen_t n_own = sizeof own;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  must(fd >= 0 && bind(fd, (struct sockaddr *)&own, n_own) == 0 && listen(fd, 16) == 0 &&
           getsockname(fd, (struct sockaddr *)&own, &n_own) == 0,
       "listen");
  *port = ntohs(own.sin_port);
  return fd;
}

peer peer_start(peer_kind kind) {
  peer p = { .kind = kind };
  int lines[2];
  int listener = listen_somewhere(&p.port);
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, lines) == 0, "socketpair");
  p.pid = fork();
  must(p.pid >= 0, "fork");
  if (p.pid == 0) {
    close(lines[0]);
    serve(lines[1], listener, kind == PEER_PLAIN ? NULL : make_context(kind));
  }
  close(lines[1]);
  close(listener);
  p.line = lines[0];
  return p;
}

void peer_stop(peer *p) {
  shutdown(p->line, SHUT_RDWR); /* a later peer may have been forked with this line open */
  close(p->line);
  waitpid(p->pid, NULL, 0);
}

void peer_tell(peer *p, peer_verb verb, int which, size_t n) {
  command told = { .verb = verb, .which = which, .n = n };
  must(write(p->line, &told, sizeof told) == (ssize_t)sizeof told, "telling");
}

long peer_answer(peer *p) {
  long answer = 0;
  must(read(p->line, &answer, sizeof answer) == (ssize_t)sizeof answer, "answering");
  return answer;
}

long peer_do(peer *p, peer_verb verb, int which, size_t n) {
  peer_tell(p, verb, which, n);
  return peer_answer(p);
}

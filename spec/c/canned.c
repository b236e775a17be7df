#define _GNU_SOURCE /* memmem */

#include "canned.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 2048
#define MAX_REQUEST 16384
#define SETTLE_S 10

static const char SETTLE[] = "SETTLE\r\n\r\n";

/* As the service answers: a message object with all its fields. */
#define MESSAGE                                                                         \
  "{\"data\":{\"record_type\":\"message\",\"direction\":\"outbound\","                  \
  "\"id\":\"40385f64-5717-4562-b3fc-2c963f66afa6\",\"type\":\"SMS\","                   \
  "\"organization_id\":\"4001932d-2ba1-4e67-9a3e-5a5b2b3c4d5e\","                       \
  "\"messaging_profile_id\":\"403195bd-8a0f-4c7e-9d1b-6f7a8b9c0d1e\","                  \
  "\"from\":{\"phone_number\":\"+18445550001\",\"carrier\":\"\",\"line_type\":\"\"},"   \
  "\"to\":[{\"phone_number\":\"+18665550001\",\"status\":\"queued\",\"carrier\":\"\","  \
  "\"line_type\":\"\"}],\"cc\":[],"                                                     \
  "\"text\":\"Hello, World!\",\"media\":[],"                                            \
  "\"webhook_url\":\"\",\"webhook_failover_url\":\"\","                                 \
  "\"encoding\":\"GSM-7\",\"parts\":1,\"tags\":[],\"cost\":{\"amount\":\"0.0070\","     \
  "\"currency\":\"USD\"},\"tcr_campaign_id\":null,\"tcr_campaign_billable\":false,"     \
  "\"tcr_campaign_registered\":null,\"received_at\":\"2025-03-22T11:28:39.401+00:00\"," \
  "\"sent_at\":null,\"completed_at\":null,"                                             \
  "\"valid_until\":\"2025-03-22T12:28:39.401+00:00\",\"errors\":[],"                    \
  "\"cost_breakdown\":{\"carrier_fee\":{\"amount\":\"0.0030\",\"currency\":\"USD\"},"   \
  "\"rate\":{\"amount\":\"0.0040\",\"currency\":\"USD\"}}}}"

typedef struct client {
  int fd; /* -1 when free */
  int port;
  int is_settling;
  int is_held;     /* answered when enough others are */
  double reply_at; /* 0 when there is nothing to answer */
  void *session;   /* the wire's */
  size_t n;
  char bytes[MAX_REQUEST];
} client;

static char reply[sizeof MESSAGE + 256];
static int n_reply;
static client clients[MAX_CLIENTS];
static int n_slots; /* of them, that were ever taken */
static int n_held;
static const canned_wire *wire;
static canned_log *book;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the plain wire ----------------------------------------------------------------------------
 */

static void *plain_open(int fd) {
  static int nothing;
  (void)fd;
  return &nothing;
}

static ssize_t plain_recv(void *session, int fd, void *room, size_t size) {
  (void)session;
  return recv(fd, room, size, 0);
}

static ssize_t plain_send(void *session, int fd, const void *bytes, size_t n) {
  (void)session;
  return send(fd, bytes, n, MSG_NOSIGNAL);
}

static void plain_close(void *session) {
  (void)session;
}

static const canned_wire PLAIN = { NULL, plain_open, plain_recv, plain_send, plain_close };

/* ---- who is connected --------------------------------------------------------------------------
 */

static client *free_slot(void) {
  for (int i = 0; i < n_slots; i++) {
    if (clients[i].fd < 0) return &clients[i];
  }
  return n_slots < MAX_CLIENTS ? &clients[n_slots++] : NULL;
}

static void seat(client *c, int fd, int port) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  c->fd = fd;
  c->port = port;
  c->is_settling = c->is_held = 0;
  c->reply_at = 0;
  c->n = 0;
  c->session = wire->open(fd);
}

static void welcome(int door) {
  struct sockaddr_in peer;
  socklen_t size = sizeof peer;
  int fd = accept(door, (struct sockaddr *)&peer, &size);
  if (fd < 0) return;
  client *c = free_slot();
  if (c) {
    seat(c, fd, ntohs(peer.sin_port));
  } else {
    close(fd);
  }
}

static void leave(client *c) {
  n_held -= c->is_held;
  wire->close(c->session);
  close(c->fd);
  c->fd = -1;
}

/* ---- what they say -----------------------------------------------------------------------------
 */

static void enter(const client *c, const char *body, size_t n) {
  const char *reference = memmem(body, n, "ref:", 4);
  struct canned_post *post = &book->posts[book->n_posts % CANNED_MAX_POSTS];
  post->reference = reference ? atoi(reference + 4) : 0;
  post->client_port = c->port;
  __sync_synchronize();
  book->n_posts++;
}

/* The length of the request's body, or 0. */
static size_t length_of(const char *head, const char *end) {
  static const char NAME[] = "Content-Length:";
  for (const char *p = head; p < end; p++) {
    if (strncasecmp(p, NAME, sizeof NAME - 1) == 0) {
      return (size_t)strtoul(p + sizeof NAME - 1, NULL, 10);
    }
  }
  return 0;
}

static double delay_s(const char *body, size_t n) {
  return memmem(body, n, "slow", 4) ? CANNED_SLOW_MS / 1e3 : 0;
}

static void take_request(client *c) {
  const char *head_end = memmem(c->bytes, c->n, "\r\n\r\n", 4);
  if (!head_end) return;
  c->is_settling = memcmp(c->bytes, SETTLE, sizeof SETTLE - 1) == 0;
  if (c->is_settling) return;
  const char *body = head_end + 4;
  size_t n_body = length_of(c->bytes, head_end), n = (size_t)(body - c->bytes) + n_body;
  if (c->n < n) return;
  enter(c, body, n_body);
  c->is_held = memmem(body, n_body, "hold", 4) != NULL;
  n_held += c->is_held;
  if (!c->is_held) c->reply_at = now_s() + delay_s(body, n_body);
  c->n -= n;
  memmove(c->bytes, c->bytes + n, c->n);
}

/* Until nothing more comes: what a session has decrypted, no poll shows. */
static void hear(client *c) {
  for (;;) {
    ssize_t n = wire->recv(c->session, c->fd, c->bytes + c->n, MAX_REQUEST - 1 - c->n);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      leave(c);
      return;
    }
    c->n += (size_t)n;
    c->bytes[c->n] = '\0';
    take_request(c);
  }
}

/* ---- what they hear ----------------------------------------------------------------------------
 */

static void release_held(void) {
  if (n_held < CANNED_N_HELD) return;
  for (int i = 0; i < n_slots; i++) {
    if (clients[i].fd < 0 || !clients[i].is_held) continue;
    clients[i].is_held = 0;
    clients[i].reply_at = now_s();
  }
  n_held = 0;
}

static void answer_due(void) {
  int n_others = 0;
  release_held();
  for (int i = 0; i < n_slots; i++) {
    client *c = &clients[i];
    if (c->fd < 0) continue;
    n_others += !c->is_settling;
    if (c->reply_at == 0 || c->reply_at > now_s()) continue;
    c->reply_at = 0;
    if (wire->send(c->session, c->fd, reply, (size_t)n_reply) < 0) leave(c);
  }
  for (int i = 0; i < n_slots && n_others == 0; i++) {
    if (clients[i].fd >= 0 && clients[i].is_settling) leave(&clients[i]);
  }
}

static void turn(int door, int lifeline) {
  struct pollfd polled[MAX_CLIENTS + 2] = { { door, POLLIN, 0 }, { lifeline, POLLIN, 0 } };
  client *who[MAX_CLIENTS + 2];
  nfds_t n = 2;
  for (int i = 0; i < n_slots; i++) {
    if (clients[i].fd < 0) continue;
    who[n] = &clients[i];
    polled[n++] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
  }
  if (poll(polled, n, 10) < 0 && errno != EINTR) die("poll");
  if (polled[1].revents) _exit(0);
  for (nfds_t i = 2; i < n; i++) {
    if (polled[i].revents) hear(who[i]);
  }
  if (polled[0].revents) {
    welcome(door);
    book->n_connections++;
  } else {
    answer_due(); /* nobody is at the door: who wants to know whether all is settled may be told */
  }
}

static void write_reply(void) {
  n_reply = snprintf(reply, sizeof reply,
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     sizeof MESSAGE - 1, MESSAGE);
}

static void serve(int door, int lifeline) {
  write_reply();
  signal(SIGINT, SIG_IGN);
  if (wire->begin) wire->begin();
  for (;;) turn(door, lifeline);
}

static int listen_somewhere(int *port) {
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int door = socket(AF_INET, SOCK_STREAM, 0);
  if (door < 0 || bind(door, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(door, MAX_CLIENTS) != 0 ||
      getsockname(door, (struct sockaddr *)&address, &size) != 0) {
    die("listen");
  }
  *port = ntohs(address.sin_port);
  return door;
}

canned canned_start(void) {
  return canned_start_on(&PLAIN);
}

canned canned_start_on(const canned_wire *its_wire) {
  canned service;
  int lifeline[2];
  book = mmap(NULL, sizeof *book, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (book == MAP_FAILED || pipe(lifeline) != 0) die("canned service");
  int door = listen_somewhere(&service.port);
  service.pid = fork();
  if (service.pid < 0) die("fork");
  if (service.pid == 0) {
    close(lifeline[1]);
    wire = its_wire;
    serve(door, lifeline[0]);
  }
  close(door);
  close(lifeline[0]);
  service.lifeline = lifeline[1];
  service.log = book;
  return service;
}

int canned_settle(const canned *service) {
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)service->port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  struct timeval patience = { SETTLE_S, 0 };
  char nothing;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  int is_settled = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                   send(fd, SETTLE, sizeof SETTLE - 1, MSG_NOSIGNAL) > 0 &&
                   recv(fd, &nothing, 1, 0) == 0;
  close(fd);
  return is_settled;
}

int canned_count(const canned *service, int reference) {
  int count = 0;
  for (int i = 0; i < service->log->n_posts && i < CANNED_MAX_POSTS; i++) {
    count += service->log->posts[i].reference == reference;
  }
  return count;
}

void canned_stop(canned *service) {
  close(service->lifeline);
  waitpid(service->pid, NULL, 0);
}

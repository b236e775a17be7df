/*
 * A service that says yes: a process of its own on 127.0.0.1 that reads POSTs and answers each with
 * a message object, and writes down what it read where its starter can see it. It ends with its
 * starter. Start it before any thread.
 *
 * A body with "ref:7" is entered under 7. One with "slow" is answered after CANNED_SLOW_MS. Those
 * with "hold" are answered all at once, when CANNED_N_HELD of them are there.
 */
#ifndef CANNED_H
#define CANNED_H

#include <sys/types.h>

#define CANNED_MAX_POSTS 65536
#define CANNED_SLOW_MS 300
#define CANNED_N_HELD 64

typedef struct canned_log {
  volatile int n_posts;
  volatile int n_connections;
  struct canned_post {
    int reference;           /* 0 when the body names none */
    int client_port;         /* of the connection it came on */
  } posts[CANNED_MAX_POSTS]; /* the last ones: post i is at i % CANNED_MAX_POSTS */
} canned_log;

typedef struct canned {
  int port;
  pid_t pid;
  int lifeline;
  const canned_log *log;
} canned;

/* What the bytes go through, in the service's process. */
typedef struct canned_wire {
  void (*begin)(void);   /* once, before anything; or NULL */
  void *(*open)(int fd); /* a session on a connection just accepted, that does not wait */
  /* As recv and send: 0 at the end, -1 with EAGAIN when there is nothing yet. */
  ssize_t (*recv)(void *session, int fd, void *room, size_t size);
  ssize_t (*send)(void *session, int fd, const void *bytes, size_t n);
  void (*close)(void *session); /* before its connection is */
} canned_wire;

/* These end the program when they cannot. */
canned canned_start(void);
canned canned_start_on(const canned_wire *wire);

/* Returns once every connection of the service has ended and all that was sent has been read; false
 * when that takes more than a few seconds. */
int canned_settle(const canned *service);

/* How many POSTs came with this reference. */
int canned_count(const canned *service, int reference);

void canned_stop(canned *service);

#endif

/*
 * Stands before the C library, for faults that no peer can time: what is written to a connection is
 * refused (ODD_SEND=broken: once; =full: for ever), what is read never ends once a reply has begun
 * (ODD_RECEIVE=flood), and a clock that jumps ahead by as many seconds
 * as stand in the file that ODD_CLOCK names.
 *
 *   cc -shared -fPIC -o odd_calls.so odd_calls.c -ldl; ODD_SEND=broken LD_PRELOAD=… lua5.4 …
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

typedef ssize_t send_bytes(int fd, const void *bytes, size_t n, int flags);
typedef ssize_t receive_bytes(int fd, void *bytes, size_t n, int flags);
typedef int read_clock(clockid_t clock, struct timespec *now);

/* A request in the clear, or a record of TLS that carries one. */
static int is_request(const unsigned char *bytes, size_t n) {
  return n > 4 && (memcmp(bytes, "POST", 4) == 0 || (bytes[0] == 0x17 && n > 200));
}

/* 0, or an errno. */
static int fault_of_send(void) {
  static int n_broken;
  const char *wanted = getenv("ODD_SEND");
  if (wanted && strcmp(wanted, "full") == 0) return EAGAIN;
  if (wanted && strcmp(wanted, "broken") == 0 && n_broken++ == 0) return EPIPE;
  return 0;
}

ssize_t send(int fd, const void *bytes, size_t n, int flags) {
  send_bytes *real;
  *(void **)&real = dlsym(RTLD_NEXT, "send");
  int fault = is_request(bytes, n) ? fault_of_send() : 0;
  if (fault == 0) return real(fd, bytes, n, flags);
  errno = fault;
  return -1;
}

ssize_t recv(int fd, void *bytes, size_t n, int flags) {
  static int is_flooding;
  receive_bytes *real;
  *(void **)&real = dlsym(RTLD_NEXT, "recv");
  if (is_flooding) {
    memset(bytes, 'x', n);
    return (ssize_t)n;
  }
  ssize_t n_read = real(fd, bytes, n, flags);
  const char *wanted = getenv("ODD_RECEIVE");
  is_flooding = wanted && n_read > 5 && memcmp(bytes, "HTTP/", 5) == 0;
  return n_read;
}

static long seconds_ahead(void) {
  const char *path = getenv("ODD_CLOCK");
  FILE *file = path ? fopen(path, "r") : NULL;
  long seconds = 0;
  if (!file) return 0;
  if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
  fclose(file);
  return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  read_clock *real;
  *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, now);
  if (clock == CLOCK_MONOTONIC) now->tv_sec += seconds_ahead();
  return result;
}

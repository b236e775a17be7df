/*
 * Stands before the C library, whose epolls are few (NO_EPOLL=create) or small (NO_EPOLL=add): for
 * showing that sockets are waited for all the same.
 *
 *   cc -shared -fPIC -o no_epoll.so no_epoll.c -ldl; NO_EPOLL=add LD_PRELOAD=./no_epoll.so lua5.4 …
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

typedef int create(int flags);
typedef int control(int epoll_fd, int operation, int fd, struct epoll_event *event);

static int fails(const char *what) {
  const char *wanted = getenv("NO_EPOLL");
  return wanted && strcmp(wanted, what) == 0;
}

int epoll_create1(int flags) {
  create *real;
  *(void **)&real = dlsym(RTLD_NEXT, "epoll_create1");
  if (!fails("create")) return real(flags);
  errno = EMFILE;
  return -1;
}

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event) {
  control *real;
  *(void **)&real = dlsym(RTLD_NEXT, "epoll_ctl");
  if (operation != EPOLL_CTL_ADD || !fails("add")) return real(epoll_fd, operation, fd, event);
  errno = ENOSPC;
  return -1;
}

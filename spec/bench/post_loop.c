#define _POSIX_C_SOURCE 200809L

#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "post.h"

#define MAX_EVENTS 64
#define PATIENCE_MS 10000

/* Libcurl's descriptors have no pointer, but a number with a bit that no pointer has. */
#define LIBCURLS ((uint64_t)1 << 63)

static char was_added; /* its address marks a descriptor that is in the epoll */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *mark) {
  post_loop *loop = user;
  (void)easy;
  struct epoll_event event = { (what & CURL_POLL_IN ? EPOLLIN : 0u) |
                                   (what & CURL_POLL_OUT ? EPOLLOUT : 0u),
                               { .u64 = LIBCURLS | (uint64_t)fd } };
  if (what == CURL_POLL_REMOVE) {
    epoll_ctl(loop->fd, EPOLL_CTL_DEL, fd, NULL);
  } else {
    epoll_ctl(loop->fd, mark ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    curl_multi_assign(loop->multi, fd, &was_added);
  }
  return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user) {
  (void)multi;
  ((post_loop *)user)->timeout_ms = timeout_ms;
  return 0;
}

void post_loop_open(post_loop *loop) {
  loop->multi = curl_multi_init();
  loop->fd = epoll_create1(EPOLL_CLOEXEC);
  loop->timeout_ms = -1;
  must(loop->multi && loop->fd >= 0, "no loop");
  curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
  curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
}

void post_loop_add(post_loop *loop, CURL *easy) {
  must(curl_multi_add_handle(loop->multi, easy) == CURLM_OK, "not added");
}

static void hand_over(post_loop *loop, const struct epoll_event *event) {
  int n_running;
  int what = (event->events & EPOLLIN ? CURL_CSELECT_IN : 0) |
             (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
             (event->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
  curl_multi_socket_action(loop->multi, (int)(event->data.u64 & ~LIBCURLS), what, &n_running);
}

/* Never for ever: the service may not answer. */
static int wait_ms(const post_loop *loop) {
  return loop->timeout_ms < 0 || loop->timeout_ms > PATIENCE_MS ? PATIENCE_MS
                                                                : (int)loop->timeout_ms;
}

void post_loop_turn(post_loop *loop, void (*on_ready)(void *pointer)) {
  struct epoll_event events[MAX_EVENTS];
  int n_running, n = epoll_wait(loop->fd, events, MAX_EVENTS, wait_ms(loop));
  must(n > 0 || loop->timeout_ms >= 0, "the service does not answer");
  for (int i = 0; i < n; i++) {
    if (events[i].data.u64 & LIBCURLS) {
      hand_over(loop, &events[i]);
    } else {
      on_ready(events[i].data.ptr);
    }
  }
  if (n == 0 || loop->timeout_ms == 0) {
    loop->timeout_ms = -1;
    curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &n_running);
  }
}

CURL *post_loop_next_done(post_loop *loop) {
  int n_left;
  CURLMsg *message = curl_multi_info_read(loop->multi, &n_left);
  if (!message) return NULL;
  must(message->data.result == CURLE_OK, curl_easy_strerror(message->data.result));
  return message->easy_handle;
}

void post_loop_close(post_loop *loop) {
  curl_multi_cleanup(loop->multi);
  close(loop->fd);
}

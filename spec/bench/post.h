/* Programs in C that post the bench's sample message to a service, many times. */
#ifndef POST_H
#define POST_H

#include <curl/curl.h>

typedef struct post_order {
  const char *base_url; /* scheme://127.0.0.1:port/v2 */
  const char *ca_file;
  long n_messages;
  int n_in_flight;
  int n_connections; /* at most */
} post_order;

#define POST_BODY "{\"to\":\"+18665550001\",\"from\":\"+18445550001\",\"text\":\"Hello, World!\"}"
#define POST_AUTHORIZATION "Authorization: Bearer KEY_TEST"

/* By libcurl's own HTTP, on curl_multi_socket_action. Both end the program when something fails. */
void post_by_multi(const post_order *order);

/* By CURLOPT_CONNECT_ONLY and the least HTTP that can be; a message in flight for each connection.
 */
void post_by_connection(const post_order *order);

/* Ends the program when it is not so. */
void must(int is_so, const char *what);

/* ---- a multi handle on an epoll of its own ---- */

typedef struct post_loop {
  CURLM *multi;
  int fd;
  long timeout_ms; /* libcurl's timer; -1 for none */
} post_loop;

/* The loop must stay where it is until it is closed. */
void post_loop_open(post_loop *loop);
/* Adds an easy handle whose option for opening sockets, if any, is the caller's. */
void post_loop_add(post_loop *loop, CURL *easy);
/* Waits, and hands what is ready to libcurl; a descriptor whose epoll data has a pointer is the
 * caller's: `on_ready` gets that pointer. */
void post_loop_turn(post_loop *loop, void (*on_ready)(void *pointer));
/* The next easy handle that is done, or NULL; ends the program when it failed. */
CURL *post_loop_next_done(post_loop *loop);
void post_loop_close(post_loop *loop);

#endif

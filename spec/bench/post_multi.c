#include <stdio.h>

#include "post.h"

static size_t drop(char *bytes, size_t size, size_t n, void *user) {
  (void)bytes, (void)user;
  return size * n;
}

static CURL *new_easy(const post_order *order, const char *url, struct curl_slist *headers) {
  CURL *easy = curl_easy_init();
  must(easy != NULL, "no handle");
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, POST_BODY);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  if (order->ca_file) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, order->ca_file);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* with one, the file is read for each dial */
  }
  return easy;
}

static struct curl_slist *new_headers(void) {
  struct curl_slist *headers = curl_slist_append(NULL, POST_AUTHORIZATION);
  headers = curl_slist_append(headers, "Content-Type: application/json");
  return curl_slist_append(headers, "Expect:");
}

static void ignore(void *pointer) {
  (void)pointer;
}

void post_by_multi(const post_order *order) {
  char url[256];
  snprintf(url, sizeof url, "%s/messages", order->base_url);
  struct curl_slist *headers = new_headers();
  post_loop loop;
  post_loop_open(&loop);
  curl_multi_setopt(loop.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)order->n_connections);
  long n_to_start = order->n_messages, n_left = order->n_messages;
  for (int i = 0; i < order->n_in_flight && n_to_start > 0; i++, n_to_start--) {
    post_loop_add(&loop, new_easy(order, url, headers));
  }
  while (n_left > 0) {
    post_loop_turn(&loop, ignore);
    for (CURL *easy; (easy = post_loop_next_done(&loop)) != NULL; n_left--) {
      curl_multi_remove_handle(loop.multi, easy);
      if (n_to_start > 0) {
        n_to_start--;
        post_loop_add(&loop, easy);
      } else {
        curl_easy_cleanup(easy);
      }
    }
  }
  post_loop_close(&loop);
  curl_slist_free_all(headers);
}

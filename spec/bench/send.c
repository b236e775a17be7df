/*
 * What a message costs: user and system time of this library's send_all, with 64 in flight, against
 * a tight C program on curl_multi that posts the same bytes to the same service. In turns, within
 * one run; the medians of some rounds.
 *
 *   send LUA …           runs the bench with each of these Luas
 *   send post URL N      is the C program
 *   send run LUA WHAT N  runs spec/bench/WHAT.lua alone
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "canned.h"

#define IN_FLIGHT 64
#define ROUNDS 5
#define N_MESSAGES "10000"

static const char BODY[] =
    "{\"to\":\"+18665550001\",\"from\":\"+18445550001\",\"text\":\"Hello, World! This is a message "
    "of "
    "a hundred and sixty characters, as most of them are: not long, not short, and sent to "
    "many.\"}";

static size_t drop(char *bytes, size_t size, size_t n, void *user) {
  (void)bytes, (void)user;
  return size * n;
}

static CURL *new_easy(const char *url, struct curl_slist *headers) {
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, BODY);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof BODY - 1);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  return easy;
}

static long collect(CURLM *multi, long *to_start) {
  CURLMsg *message;
  int n_left;
  long n_done = 0;
  while ((message = curl_multi_info_read(multi, &n_left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL *easy = message->easy_handle;
    n_done++;
    curl_multi_remove_handle(multi, easy);
    if (*to_start > 0) {
      --*to_start;
      curl_multi_add_handle(multi, easy);
    } else {
      curl_easy_cleanup(easy);
    }
  }
  return n_done;
}

static int post(const char *base_url, long n) {
  char url[256];
  snprintf(url, sizeof url, "%s/messages", base_url);
  CURLM *multi = curl_multi_init();
  struct curl_slist *headers = NULL;
  headers = curl_slist_append(headers, "Authorization: Bearer KEY_TEST");
  headers = curl_slist_append(headers, "Content-Type: application/json");
  headers = curl_slist_append(headers, "Expect:");
  long to_start = n, left = n;
  for (int i = 0; i < IN_FLIGHT && to_start > 0; i++, to_start--) {
    curl_multi_add_handle(multi, new_easy(url, headers));
  }
  while (left > 0) {
    int n_running;
    curl_multi_perform(multi, &n_running);
    left -= collect(multi, &to_start);
    if (left > 0) curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
  curl_multi_cleanup(multi);
  curl_slist_free_all(headers);
  return 0;
}

static double seconds(struct timeval time) {
  return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* User and system seconds of a program, or -1 when it fails. */
static double cost(char *const arguments[]) {
  pid_t pid = fork();
  if (pid == 0) {
    execvp(arguments[0], arguments);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (wait4(pid, &status, 0, &usage) != pid || status != 0) return -1;
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double costs[ROUNDS]) {
  qsort(costs, ROUNDS, sizeof costs[0], by_size);
  return costs[ROUNDS / 2];
}

#define MAX_LUAS 4

typedef struct costs {
  double c[ROUNDS];
  double send[MAX_LUAS][ROUNDS], decode[MAX_LUAS][ROUNDS];
} costs;

static double cost_in(const char *lua, const char *what, const char *url, const char *n) {
  char *const program[] = { "sh",         "spec/bench/send.sh", (char *)lua,
                            (char *)what, (char *)url,          (char *)n,
                            NULL };
  return cost(program);
}

static void measure(const char *self, int n_luas, char **luas, const char *url, costs *costs) {
  char *const c_program[] = { (char *)self, "post", (char *)url, N_MESSAGES, NULL };
  for (int round = 0; round < ROUNDS; round++) {
    costs->c[round] = cost(c_program);
    for (int i = 0; i < n_luas; i++) {
      costs->send[i][round] = cost_in(luas[i], "send", url, N_MESSAGES);
      costs->decode[i][round] = cost_in(luas[i], "decode", url, N_MESSAGES);
    }
  }
}

static void report(int n_luas, char **luas, costs *costs) {
  double c = median(costs->c), per_message = 1e6 / atof(N_MESSAGES);
  printf("%-10s %6.1f us of processor a message\n", "C", c * per_message);
  for (int i = 0; i < n_luas; i++) {
    double send = median(costs->send[i]), decode = median(costs->decode[i]);
    printf("%-10s %6.1f us of processor a message, %.2f times C; lua-cjson's share is %.1f us\n",
           luas[i], send * per_message, send / c, decode * per_message);
  }
}

static void compare(const char *self, int n_luas, char **luas, const char *url) {
  static costs costs;
  if (n_luas > MAX_LUAS) n_luas = MAX_LUAS;
  measure(self, n_luas, luas, url, &costs);
  report(n_luas, luas, &costs);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "post") == 0) return post(argv[2], atol(argv[3]));
  int is_failed = 0;
  canned service = canned_start();
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/v2", service.port);
  if (argc == 5 && strcmp(argv[1], "run") == 0) {
    is_failed = cost_in(argv[2], argv[3], url, argv[4]) < 0;
  } else {
    compare(argv[0], argc - 1, argv + 1, url);
  }
  canned_stop(&service);
  return is_failed;
}

/*
 * post multi|connection BASE_URL N_MESSAGES N_IN_FLIGHT N_CONNECTIONS [CA_FILE]
 * post                         names its libcurl
 */
#include "post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must(int is_so, const char *what) {
  if (is_so) return;
  fprintf(stderr, "post: %s\n", what);
  exit(1);
}

int main(int argc, char **argv) {
  if (argc == 1) return puts(curl_version()) < 0;
  must(argc == 6 || argc == 7, "multi|connection BASE_URL N_MESSAGES N_IN_FLIGHT N_CONNECTIONS");
  post_order order = { argv[2], argc == 7 ? argv[6] : NULL, atol(argv[3]), atoi(argv[4]),
                       atoi(argv[5]) };
  curl_global_init(CURL_GLOBAL_DEFAULT);
  if (strcmp(argv[1], "multi") == 0) {
    post_by_multi(&order);
  } else {
    post_by_connection(&order);
  }
  curl_global_cleanup();
  return 0;
}

/*
 * with_service CERTIFICATE COMMAND …
 *
 * Runs a command that finds a canned service at BENCH_HTTP, another behind TLS at BENCH_HTTPS, and
 * the file of the certificate to trust in BENCH_CA.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "canned.h"
#include "tls.h"

/* The exit status of a program, or -1. */
static int run(char *const command[]) {
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
  }
  if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

/* A thousand connections, at both ends. */
static void allow_many_files(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void tell(const char *name, const char *scheme, int port) {
  char url[64];
  snprintf(url, sizeof url, "%s://127.0.0.1:%d/v2", scheme, port);
  setenv(name, url, 1);
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  allow_many_files();
  canned plain = canned_start(), tls = tls_service_start(argv[1]);
  tell("BENCH_HTTP", "http", plain.port);
  tell("BENCH_HTTPS", "https", tls.port);
  setenv("BENCH_CA", argv[1], 1);
  int status = run(argv + 2);
  canned_stop(&tls);
  canned_stop(&plain);
  return status < 0 ? 1 : status;
}

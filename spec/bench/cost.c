/* cost COMMAND …: runs it, then prints "microseconds of processor" and "largest KiB of memory". */
#define _DEFAULT_SOURCE

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long long microseconds(struct timeval time) {
  return time.tv_sec * 1000000LL + time.tv_usec;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  pid_t pid = fork();
  if (pid == 0) {
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (wait4(pid, &status, 0, &usage) != pid || status != 0) return 1;
  printf("%lld %ld\n", microseconds(usage.ru_utime) + microseconds(usage.ru_stime),
         usage.ru_maxrss);
  return 0;
}

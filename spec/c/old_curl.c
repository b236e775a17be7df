/*
 * Stands before libcurl and knows no CURLOPT_PREREQFUNCTION, as before 7.80: for showing that a
 * module built against a newer one still sends at most once.
 *
 *   cc -shared -fPIC -o old_curl.so old_curl.c -ldl; LD_PRELOAD=./old_curl.so lua5.4 …
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdarg.h>

enum { PREREQDATA = 10000 + 313, PREREQFUNCTION = 20000 + 312, UNKNOWN_OPTION = 48 };

typedef int set_option(void *easy, int option, ...);

int curl_easy_setopt(void *easy, int option, ...);

int curl_easy_setopt(void *easy, int option, ...) {
  void *found = dlsym(RTLD_NEXT, "curl_easy_setopt");
  if (!found) found = dlsym(dlopen("libcurl.so.4", RTLD_LAZY), "curl_easy_setopt");
  set_option *real;
  *(void **)&real = found;
  va_list arguments;
  va_start(arguments, option);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (option == PREREQDATA || option == PREREQFUNCTION) return UNKNOWN_OPTION;
  return real(easy, option, argument);
}

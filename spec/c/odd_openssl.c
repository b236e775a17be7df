/*
 * Stands before OpenSSL as another one of the process would: its version is what ODD_OPENSSL says,
 * and it cannot be asked of what is not its own.
 *
 *   cc -shared -fPIC -o odd_openssl.so odd_openssl.c; ODD_OPENSSL=0x30000100 LD_PRELOAD=… lua5.4 …
 */
#include <stdio.h>
#include <stdlib.h>

unsigned long OpenSSL_version_num(void);
int SSL_has_pending(const void *ssl);

unsigned long OpenSSL_version_num(void) {
  const char *number = getenv("ODD_OPENSSL");
  return number ? strtoul(number, NULL, 16) : 0;
}

int SSL_has_pending(const void *ssl) {
  (void)ssl;
  fputs("asked\n", stdout);
  fflush(stdout);
  _Exit(1);
}

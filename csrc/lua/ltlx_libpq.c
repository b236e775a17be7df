#include "ltlx_libpq.h"

#include <dlfcn.h>
#include <string.h>

#ifdef __APPLE__
#define LIBPQ "libpq.5.dylib"
#else
#define LIBPQ "libpq.so.5"
#endif

/* ISO C has no cast from what dlsym returns to a function. */
static bool find(void *library, const char *name, void *function, size_t size) {
  void *symbol = dlsym(library, name);
  memcpy(function, &symbol, size);
  return symbol != NULL;
}

#define FIND(name) find(library, #name, &pq->name, sizeof pq->name)

bool ltlx_libpq_load(ltlx_libpq *pq) {
  void *library = dlopen(LIBPQ, RTLD_NOW | RTLD_LOCAL);
  return library && FIND(PQlibVersion) && FIND(PQconnectdb) && FIND(PQfinish) && FIND(PQstatus) &&
         FIND(PQsocket) && FIND(PQerrorMessage) && FIND(PQsetnonblocking) &&
         FIND(PQsetNoticeProcessor) && FIND(PQsendPrepare) && FIND(PQsendQueryPrepared) &&
         FIND(PQflush) && FIND(PQconsumeInput) && FIND(PQisBusy) && FIND(PQgetResult) &&
         FIND(PQclear) && FIND(PQresultStatus) && FIND(PQresultErrorMessage) &&
         FIND(PQresultErrorField) && FIND(PQntuples) && FIND(PQnfields) && FIND(PQfname) &&
         FIND(PQgetisnull) && FIND(PQgetvalue) && FIND(PQgetlength);
}

/*
 * What is used of libpq, PostgreSQL's own library for clients, under its own names. It is loaded
 * when it is first used: who has no PostgreSQL need not have it.
 */
#ifndef LTLX_LIBPQ_H
#define LTLX_LIBPQ_H

#include <stdbool.h>

/* Of its header, whose numbers stay as they are. */
enum { PQ_CONNECTION_OK = 0 };
enum { PQ_COMMAND_OK = 1, PQ_TUPLES_OK = 2, PQ_COPY_OUT = 3, PQ_COPY_IN = 4, PQ_COPY_BOTH = 8 };
enum { PQ_SQLSTATE = 'C' };

typedef struct pg_conn pg_conn;
typedef struct pg_result pg_result;
typedef void (*pg_notice_processor)(void *, const char *);

typedef struct ltlx_libpq {
  int (*PQlibVersion)(void);
  pg_conn *(*PQconnectdb)(const char *);
  void (*PQfinish)(pg_conn *);
  int (*PQstatus)(const pg_conn *);
  int (*PQsocket)(const pg_conn *);
  char *(*PQerrorMessage)(const pg_conn *);
  int (*PQsetnonblocking)(pg_conn *, int);
  pg_notice_processor (*PQsetNoticeProcessor)(pg_conn *, pg_notice_processor, void *);
  int (*PQsendPrepare)(pg_conn *, const char *, const char *, int, const unsigned *);
  int (*PQsendQueryPrepared)(pg_conn *, const char *, int, const char *const *, const int *,
                             const int *, int);
  int (*PQflush)(pg_conn *);
  int (*PQconsumeInput)(pg_conn *);
  int (*PQisBusy)(pg_conn *);
  pg_result *(*PQgetResult)(pg_conn *);
  void (*PQclear)(pg_result *);
  int (*PQresultStatus)(const pg_result *);
  char *(*PQresultErrorMessage)(const pg_result *);
  char *(*PQresultErrorField)(const pg_result *, int);
  int (*PQntuples)(const pg_result *);
  int (*PQnfields)(const pg_result *);
  char *(*PQfname)(const pg_result *, int);
  int (*PQgetisnull)(const pg_result *, int, int);
  char *(*PQgetvalue)(const pg_result *, int, int);
  int (*PQgetlength)(const pg_result *, int, int);
} ltlx_libpq;

/* Returns false where it cannot be had. It stays loaded: its TLS has work to do when the process
 * ends. Thread-safe. */
bool ltlx_libpq_load(ltlx_libpq *pq);

#endif

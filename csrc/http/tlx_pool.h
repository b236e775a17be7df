/* The connections that are open: idle ones, the youngest first, and those that serve. */
#ifndef TLX_POOL_H
#define TLX_POOL_H

#include "tlx_connection.h"

/* Below what servers keep idle connections open for, so that few are found closed. */
#define TLX_MAX_IDLE_MS 10000.0

/* A peer that speaks as soon as it has accepted a connection is given so long to do so. */
#define TLX_LISTEN_MS 2.0

/* Zeroed when empty, but for `max`. */
typedef struct tlx_pool {
  tlx_list idle;      /* the youngest last */
  tlx_list busy;      /* being made, or serving */
  tlx_list fresh;     /* just made, and listened to before they serve; the oldest first */
  tlx_list half_read; /* serving, and not read as far as could be: no poll shows what is left */
  size_t max;         /* open at once */
  size_t room;        /* for now: less than `max` where descriptors are short; 0 means `max` */
} tlx_pool;

/* How many are open. */
size_t tlx_pool_n_open(const tlx_pool *pool);

/* Whether another may be opened. */
bool tlx_pool_has_room(const tlx_pool *pool);

/* The system had no descriptor for another one: no more are tried until one is closed. */
void tlx_pool_shrink(tlx_pool *pool);

/* Another one could be made after all. */
void tlx_pool_regrow(tlx_pool *pool);

/* The youngest idle one, or NULL; it is busy from then on. */
tlx_connection *tlx_pool_take(tlx_pool *pool);

/* It is listened to from now on. */
void tlx_pool_listen(tlx_pool *pool, tlx_connection *connection, double now_ms);

/* The first of those that are listened to, and until when; NULL when there is none. */
tlx_connection *tlx_pool_first_fresh(const tlx_pool *pool, double *until_ms);

/* It is idle from now on. */
void tlx_pool_keep(tlx_pool *pool, tlx_connection *connection, double now_ms);

/* The oldest idle one, which stays; NULL when there is none. */
tlx_connection *tlx_pool_oldest(const tlx_pool *pool);

/* Any that is open, or NULL. */
tlx_connection *tlx_pool_any(const tlx_pool *pool);

/* Whether it is idle, or listened to. */
bool tlx_pool_is_idle(const tlx_pool *pool, const tlx_connection *connection);
bool tlx_pool_is_fresh(const tlx_pool *pool, const tlx_connection *connection);

#endif

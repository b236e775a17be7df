#include "tlx_pool.h"

size_t tlx_pool_n_open(const tlx_pool *pool) {
  return pool->idle.n + pool->busy.n + pool->fresh.n + pool->half_read.n;
}

bool tlx_pool_has_room(const tlx_pool *pool) {
  return tlx_pool_n_open(pool) < (pool->room ? pool->room : pool->max);
}

void tlx_pool_shrink(tlx_pool *pool) {
  pool->room = tlx_pool_n_open(pool);
}

void tlx_pool_regrow(tlx_pool *pool) {
  if (pool->room > 0 && ++pool->room >= pool->max) pool->room = 0;
}

tlx_connection *tlx_pool_take(tlx_pool *pool) {
  tlx_connection *c = (tlx_connection *)pool->idle.last;
  if (c) tlx_list_append(&pool->busy, &c->link);
  return c;
}

void tlx_pool_listen(tlx_pool *pool, tlx_connection *c, double now_ms) {
  c->silent_since_ms = now_ms;
  tlx_list_append(&pool->fresh, &c->link);
}

tlx_connection *tlx_pool_first_fresh(const tlx_pool *pool, double *until_ms) {
  tlx_connection *c = (tlx_connection *)pool->fresh.first;
  if (c) *until_ms = c->silent_since_ms + TLX_LISTEN_MS;
  return c;
}

void tlx_pool_keep(tlx_pool *pool, tlx_connection *c, double now_ms) {
  c->silent_since_ms = now_ms;
  c->has_served = true;
  c->transfer = NULL;
  tlx_list_append(&pool->idle, &c->link);
}

tlx_connection *tlx_pool_oldest(const tlx_pool *pool) {
  return (tlx_connection *)pool->idle.first;
}

tlx_connection *tlx_pool_any(const tlx_pool *pool) {
  const tlx_list *lists[] = { &pool->idle, &pool->busy, &pool->fresh, &pool->half_read };
  for (int i = 0; i < 4; i++) {
    if (lists[i]->first) return (tlx_connection *)lists[i]->first;
  }
  return NULL;
}

bool tlx_pool_is_idle(const tlx_pool *pool, const tlx_connection *c) {
  return c->link.list == &pool->idle;
}

bool tlx_pool_is_fresh(const tlx_pool *pool, const tlx_connection *c) {
  return c->link.list == &pool->fresh;
}

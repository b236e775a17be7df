/* Who is due when: the soonest is found at once, however many there are. */
#ifndef TLX_DEADLINES_H
#define TLX_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>

/* A member of whoever has one. */
typedef struct tlx_deadline {
  double at_ms;
  size_t place; /* from 1; 0 when it is not in the heap */
} tlx_deadline;

/* Zeroed when empty. */
typedef struct tlx_deadlines {
  struct tlx_due {
    tlx_deadline *deadline;
  } * heap;
  size_t n, room;
} tlx_deadlines;

/* Makes room for one more. Returns false when memory is short. */
bool tlx_deadlines_reserve(tlx_deadlines *deadlines);

/* Adds one, for which room was reserved. */
void tlx_deadlines_add(tlx_deadlines *deadlines, tlx_deadline *deadline);

/* Takes one out, if it is in. */
void tlx_deadlines_remove(tlx_deadlines *deadlines, tlx_deadline *deadline);

/* The soonest, which stays in; NULL when there is none. */
tlx_deadline *tlx_deadlines_first(const tlx_deadlines *deadlines);

/* Frees the heap, not who is in it. */
void tlx_deadlines_reset(tlx_deadlines *deadlines);

#endif

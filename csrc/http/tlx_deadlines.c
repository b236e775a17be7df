#include "tlx_deadlines.h"

#include <stdlib.h>

static void put(tlx_deadlines *deadlines, size_t place, tlx_deadline *deadline) {
  deadlines->heap[place - 1].deadline = deadline;
  deadline->place = place;
}

static tlx_deadline *at(const tlx_deadlines *deadlines, size_t place) {
  return deadlines->heap[place - 1].deadline;
}

static void rise(tlx_deadlines *deadlines, tlx_deadline *deadline, size_t place) {
  while (place > 1 && at(deadlines, place / 2)->at_ms > deadline->at_ms) {
    put(deadlines, place, at(deadlines, place / 2));
    place /= 2;
  }
  put(deadlines, place, deadline);
}

static void sink(tlx_deadlines *deadlines, tlx_deadline *deadline, size_t place) {
  size_t child;
  while ((child = 2 * place) <= deadlines->n) {
    bool is_right =
        child < deadlines->n && at(deadlines, child + 1)->at_ms < at(deadlines, child)->at_ms;
    if (is_right) child++;
    if (at(deadlines, child)->at_ms >= deadline->at_ms) break;
    put(deadlines, place, at(deadlines, child));
    place = child;
  }
  put(deadlines, place, deadline);
}

bool tlx_deadlines_reserve(tlx_deadlines *deadlines) {
  if (deadlines->n < deadlines->room) return true;
  size_t room = deadlines->room ? deadlines->room * 2 : 16;
  struct tlx_due *heap = realloc(deadlines->heap, room * sizeof *heap);
  if (!heap) return false;
  deadlines->heap = heap;
  deadlines->room = room;
  return true;
}

void tlx_deadlines_add(tlx_deadlines *deadlines, tlx_deadline *deadline) {
  rise(deadlines, deadline, ++deadlines->n);
}

void tlx_deadlines_remove(tlx_deadlines *deadlines, tlx_deadline *deadline) {
  size_t place = deadline->place;
  if (place == 0) return;
  tlx_deadline *last = at(deadlines, deadlines->n--);
  deadline->place = 0;
  if (last == deadline) return;
  sink(deadlines, last, place);
  rise(deadlines, last, last->place);
}

tlx_deadline *tlx_deadlines_first(const tlx_deadlines *deadlines) {
  return deadlines->n ? at(deadlines, 1) : NULL;
}

void tlx_deadlines_reset(tlx_deadlines *deadlines) {
  free(deadlines->heap);
  *deadlines = (tlx_deadlines){ .heap = NULL };
}

/* What the machine tells: its clock, and whether this is still the process that it was. */
#ifndef TLX_MACHINE_H
#define TLX_MACHINE_H

#include <stdbool.h>

/* A clock that does not go back, in milliseconds. */
double tlx_machine_now_ms(void);

/* How many forks lie between this process and the one in which it was first asked: a child has
 * another number than its parent. Costs no system call. Thread-safe. */
unsigned long tlx_machine_n_forks(void);

/* Whether so many descriptors, at most 8, can be had just now. */
bool tlx_machine_has_descriptors(int n);

#endif

/* A list of things that each stand in one list at a time: no walk to leave it, nothing to allocate.
 * A link is the first member of what it links. */
#ifndef TLX_LIST_H
#define TLX_LIST_H

#include <stddef.h>

struct tlx_list;

/* Zeroed when it stands in none. */
typedef struct tlx_link {
  struct tlx_link *before, *after;
  struct tlx_list *list;
} tlx_link;

/* Zeroed when empty. */
typedef struct tlx_list {
  tlx_link *first, *last;
  size_t n;
} tlx_list;

/* Leaves the list it stands in, if any. */
void tlx_list_leave(tlx_link *link);

/* Leaves the list it stands in, and enters this one at its end. */
void tlx_list_append(tlx_list *list, tlx_link *link);

/* The same at its beginning. */
void tlx_list_prepend(tlx_list *list, tlx_link *link);

#endif

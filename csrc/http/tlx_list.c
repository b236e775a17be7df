#include "tlx_list.h"

void tlx_list_leave(tlx_link *link) {
  tlx_list *list = link->list;
  if (!list) return;
  *(link->before ? &link->before->after : &list->first) = link->after;
  *(link->after ? &link->after->before : &list->last) = link->before;
  list->n--;
  *link = (tlx_link){ NULL, NULL, NULL };
}

void tlx_list_append(tlx_list *list, tlx_link *link) {
  tlx_list_leave(link);
  *link = (tlx_link){ list->last, NULL, list };
  *(list->last ? &list->last->after : &list->first) = link;
  list->last = link;
  list->n++;
}

void tlx_list_prepend(tlx_list *list, tlx_link *link) {
  tlx_list_leave(link);
  *link = (tlx_link){ NULL, list->first, list };
  *(list->first ? &list->first->before : &list->last) = link;
  list->first = link;
  list->n++;
}

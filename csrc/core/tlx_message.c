#include "tlx_message.h"

#include <string.h>

const char *const tlx_field_names[TLX_N_FIELDS] = {
#define TLX_FIELD(name, type) #name,
#include "tlx_message.def"
#undef TLX_FIELD
};

tlx_type tlx_field_type(tlx_field field) {
  static const tlx_type types[TLX_N_FIELDS] = {
#define TLX_FIELD(name, type) TLX_TYPE_##type,
#include "tlx_message.def"
#undef TLX_FIELD
  };
  return types[field];
}

tlx_field tlx_field_named(tlx_str name) {
  int field = 0;
  while (field < TLX_N_FIELDS) {
    const char *known = tlx_field_names[field];
    if (tlx_str_eq(name, (tlx_str){ known, strlen(known) })) break;
    field++;
  }
  return (tlx_field)field;
}

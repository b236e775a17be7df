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
  static const size_t lengths[TLX_N_FIELDS] = {
#define TLX_FIELD(name, type) sizeof #name - 1,
#include "tlx_message.def"
#undef TLX_FIELD
  };
  int field = 0;
  while (field < TLX_N_FIELDS) {
    if (lengths[field] == name.n && memcmp(tlx_field_names[field], name.p, name.n) == 0) break;
    field++;
  }
  return (tlx_field)field;
}

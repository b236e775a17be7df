#include "tlx_message.h"

#include <string.h>

const char *const tlx_field_names[TLX_N_FIELDS] = {
#define TLX_FIELD(name, type) #name,
#include "tlx_message.def"
#undef TLX_FIELD
};

void tlx_message_start(tlx_message *message) {
  memset(message, 0, offsetof(tlx_message, media_urls));
}

const unsigned char tlx_field_types[TLX_N_FIELDS] = {
#define TLX_FIELD(name, type) TLX_TYPE_##type,
#include "tlx_message.def"
#undef TLX_FIELD
};

/* Few names have both their length and their first letter in common. */
#define KEY(n, first) ((unsigned)(n) << 8 | (unsigned char)(first))

tlx_field tlx_field_named(tlx_str name) {
  if (name.n == 0 || name.n > 0xFFFF) return TLX_N_FIELDS;
  const unsigned key = KEY(name.n, name.p[0]);
#define TLX_FIELD(field, type)                          \
  if (key == KEY(sizeof #field - 1, #field[0]) &&       \
      memcmp(name.p, #field, sizeof #field - 1) == 0) { \
    return TLX_FIELD_##field;                           \
  }
#include "tlx_message.def"
#undef TLX_FIELD
  return TLX_N_FIELDS;
}

bool tlx_message_says(const tlx_message *message, tlx_field field, tlx_str expected) {
  const tlx_value *value = &message->fields[field];
  return value->type == TLX_TYPE_STRING && tlx_str_eq(value->str, expected);
}

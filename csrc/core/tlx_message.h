/*
 * One message as its sender gave it, well-formed or not: views into the caller's strings, valid for
 * one call. Owns nothing and needs no freeing, so no error path can leak it.
 */
#ifndef TLX_MESSAGE_H
#define TLX_MESSAGE_H

#include "tlx.h"

#define TLX_MAX_MEDIA 10
#define TLX_MAX_STRANGERS 6

typedef enum tlx_field {
#define TLX_FIELD(name, type) TLX_FIELD_##name,
#include "tlx_message.def"
#undef TLX_FIELD
  TLX_N_FIELDS
} tlx_field;

typedef enum tlx_type {
  TLX_TYPE_ABSENT,
  TLX_TYPE_STRING,
  TLX_TYPE_BOOLEAN,
  TLX_TYPE_LIST,
  TLX_TYPE_OTHER /* a number, a function, JSON null …: `given` says what */
} tlx_type;

typedef struct tlx_value {
  tlx_type type;
  tlx_str str;    /* TLX_TYPE_STRING */
  char given[40]; /* words for the value, unless it is a string: "the number 42", "a boolean" */
} tlx_value;

/* What a table in the place of a list holds. */
typedef struct tlx_list {
  size_t n;                       /* entries, whatever their keys */
  bool is_sequence;               /* the keys are 1 to n */
  tlx_value items[TLX_MAX_MEDIA]; /* the first of them; complete when is_sequence and n fits */
} tlx_list;

typedef struct tlx_message {
  tlx_value fields[TLX_N_FIELDS];
  tlx_list media_urls;                  /* when that field is TLX_TYPE_LIST */
  tlx_str strangers[TLX_MAX_STRANGERS]; /* keys that name no field */
  size_t n_strangers;                   /* all of them, also those beyond the array */
} tlx_message;

/* The fields' names as on the wire, TLX_N_FIELDS of them, by tlx_field. */
extern const char *const tlx_field_names[TLX_N_FIELDS];

/* What a field may hold. Thread-safe. */
tlx_type tlx_field_type(tlx_field field);

/* The field called `name`, or TLX_N_FIELDS. Thread-safe. */
tlx_field tlx_field_named(tlx_str name);

#endif

/*
 * The words that every unit of the core shares: a view of bytes, and which symbols leave the
 * module. C99 only. Nothing in the core knows Lua, libcurl, sockets, JSON or the clock.
 */
#ifndef TLX_H
#define TLX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLX_VERSION "0.1.0"

#if defined(_WIN32)
#define TLX_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define TLX_EXPORT __attribute__((visibility("default")))
#else
#define TLX_EXPORT
#endif

#if defined(__GNUC__)
#define TLX_PRINTF(format_arg, first_arg) __attribute__((format(printf, format_arg, first_arg)))
#else
#define TLX_PRINTF(format_arg, first_arg)
#endif

/*
 * A view of bytes that somebody else owns and keeps for as long as the view is used.
 * May hold any byte, NUL included. `p` may be NULL only when `n` is 0.
 */
typedef struct tlx_str {
  const char *p;
  size_t n;
} tlx_str;

/* A view of a string literal. */
#define TLX_STR(literal) ((tlx_str){ (literal), sizeof(literal) - 1 })

/* Yes when both views hold the same bytes. Thread-safe. */
bool tlx_str_eq(tlx_str a, tlx_str b);

/* Yes when both hold the same bytes, ASCII letters compared without case. Locale plays no part. */
bool tlx_str_eq_nocase(tlx_str a, tlx_str b);

/* Yes when a byte of it is a control other than a tab: none may stand in a line of HTTP's
 * (RFC 9110 §5.5). Thread-safe. */
bool tlx_has_control(tlx_str s);

/* The name in `names` most like `name`, or NULL when none is near enough to be a slip of the hand:
 * at most a third of the letters differ, counting a swap of neighbours as one. Names longer than
 * 40 bytes are near nothing. Thread-safe, never allocates. */
const char *tlx_nearest(tlx_str name, const char *const names[], size_t n_names);

#endif

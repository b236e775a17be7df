#include "tlx.h"

#include <string.h>

#define MAX_NAME 40

static unsigned char lower(char c) {
  unsigned char byte = (unsigned char)c;
  return (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

bool tlx_str_eq(tlx_str a, tlx_str b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool tlx_str_eq_nocase(tlx_str a, tlx_str b) {
  if (a.n != b.n) return false;
  for (size_t i = 0; i < a.n; i++) {
    if (a.p[i] != b.p[i] && lower(a.p[i]) != lower(b.p[i])) return false;
  }
  return true;
}

static bool is_control(char c) {
  unsigned char byte = (unsigned char)c;
  return (byte < 0x20 && byte != '\t') || byte == 0x7F;
}

/* Whether one of eight bytes may be a control; tabs count, and so may what stands beside one. */
static bool may_have_control(const char *p) {
  const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
  uint64_t word;
  memcpy(&word, p, sizeof word);
  uint64_t del = word ^ ones * 0x7F;
  return (((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & tops;
}

bool tlx_has_control(tlx_str s) {
  size_t i = 0;
  for (; s.n - i >= 8; i += 8) {
    if (!may_have_control(s.p + i)) continue;
    for (size_t j = i; j < i + 8; j++) {
      if (is_control(s.p[j])) return true;
    }
  }
  for (; i < s.n; i++) {
    if (is_control(s.p[i])) return true;
  }
  return false;
}

static size_t least(size_t a, size_t b, size_t c) {
  size_t m = a < b ? a : b;
  return m < c ? m : c;
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours. */
static size_t distance(tlx_str a, tlx_str b) {
  size_t rows[3][MAX_NAME + 1];
  size_t *before = rows[0], *above = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b.n; j++) above[j] = j;
  for (size_t i = 1; i <= a.n; i++) {
    row[0] = i;
    for (size_t j = 1; j <= b.n; j++) {
      unsigned char x = lower(a.p[i - 1]), y = lower(b.p[j - 1]);
      row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
      if (i > 1 && j > 1 && x == lower(b.p[j - 2]) && y == lower(a.p[i - 2])) {
        row[j] = least(row[j], before[j - 2] + 1, row[j]);
      }
    }
    size_t *spare = before;
    before = above;
    above = row;
    row = spare;
  }
  return above[b.n];
}

const char *tlx_nearest(tlx_str name, const char *const names[], size_t n_names) {
  const char *best = NULL;
  size_t best_distance = 0;
  if (name.n == 0 || name.n > MAX_NAME) return NULL;
  for (size_t i = 0; i < n_names; i++) {
    tlx_str candidate = { names[i], strlen(names[i]) };
    if (candidate.n > MAX_NAME) continue;
    size_t longer = candidate.n > name.n ? candidate.n : name.n;
    size_t d = distance(name, candidate);
    if (d * 3 > longer + 2) continue;
    if (!best || d < best_distance) {
      best = names[i];
      best_distance = d;
    }
  }
  return best;
}

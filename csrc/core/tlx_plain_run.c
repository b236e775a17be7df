#include "tlx_plain_run.h"

#include <string.h>

#if defined(__SSE2__) && defined(__GNUC__) && !defined(TLX_PORTABLE)
#define HAS_SSE2 1
#include <emmintrin.h>
#else
#define HAS_SSE2 0
#endif

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define HIGH_BITS EACH(0x80)

static uint64_t word_at(const char *p) {
  uint64_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

/* High bit set in each byte that is plain; `x | 0x20` folds [\]^_ onto {|}~ and DEL. */
static uint64_t plain_bytes(uint64_t x) {
  uint64_t seven = x & EACH(0x7F);
  uint64_t at_least_20 = seven + EACH(0x80 - 0x20);
  uint64_t at_least_7b = (seven | EACH(0x20)) + EACH(0x80 - 0x7B);
  uint64_t not_60 = (seven ^ EACH(0x60)) + EACH(0x7F);
  return at_least_20 & ~at_least_7b & not_60 & ~x & HIGH_BITS;
}

static bool is_plain(unsigned char byte) {
  return byte >= 0x20 && (byte | 0x20) < 0x7B && byte != 0x60;
}

static const char *plain_tail(const char *p, const char *end) {
  while (p < end && is_plain((unsigned char)*p)) p++;
  return p;
}

size_t tlx_plain_run_portable(const char *p, const char *end) {
  const char *start = p;
  while (end - p >= 8 && plain_bytes(word_at(p)) == HIGH_BITS) p += 8;
  return (size_t)(plain_tail(p, end) - start);
}

#if HAS_SSE2

/*
 * Two subtractions that wrap put every byte that is not plain at an end of its scale: those below
 * U+0020 and above U+007A at the top of one, those from U+005B to U+0060 at the bottom of the
 * other. So extremes can be gathered over many bytes and looked at once.
 */
typedef struct extremes {
  __m128i highest; /* of byte - 0x20; plain below 0x5B */
  __m128i lowest;  /* of byte - 0x5B; plain above 5 */
} extremes;

static extremes extremes_at(const char *p) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
  return (extremes){ _mm_sub_epi8(bytes, _mm_set1_epi8(0x20)),
                     _mm_sub_epi8(bytes, _mm_set1_epi8(0x5B)) };
}

static extremes of_both(extremes a, extremes b) {
  return (extremes){ _mm_max_epu8(a.highest, b.highest), _mm_min_epu8(a.lowest, b.lowest) };
}

static extremes extremes_of_64(const char *p) {
  return of_both(of_both(extremes_at(p), extremes_at(p + 16)),
                 of_both(extremes_at(p + 32), extremes_at(p + 48)));
}

/* A bit for each of 16 bytes, set when it is not plain. */
static unsigned not_plain(extremes e) {
  __m128i high = _mm_cmpeq_epi8(_mm_max_epu8(e.highest, _mm_set1_epi8(0x5B)), e.highest);
  __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(e.lowest, _mm_set1_epi8(5)), e.lowest);
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(high, low));
}

static size_t first_bit(unsigned bits) {
  return (size_t)__builtin_ctz(bits);
}

/* The same 16 bytes may be looked at twice: that is cheaper than the last few one by one. */
static const char *plain_end(const char *p, const char *end) {
  size_t n_seen = 16 - (size_t)(end - p);
  unsigned bad = not_plain(extremes_at(end - 16)) >> n_seen;
  return bad ? p + first_bit(bad) : end;
}

size_t tlx_plain_run(const char *p, const char *end) {
  const char *start = p;
  while (end - p >= 128 && !not_plain(of_both(extremes_of_64(p), extremes_of_64(p + 64)))) p += 128;
  for (; end - p >= 16; p += 16) {
    unsigned bad = not_plain(extremes_at(p));
    if (bad) return (size_t)(p - start) + first_bit(bad);
  }
  if (p == end) return (size_t)(p - start);
  return (size_t)((end - start >= 16 ? plain_end(p, end) : plain_tail(p, end)) - start);
}

#else

size_t tlx_plain_run(const char *p, const char *end) {
  return tlx_plain_run_portable(p, end);
}

#endif

static bool are_tails(unsigned char a, unsigned char b) {
  return ((a ^ 0x80u) | (b ^ 0x80u)) < 0x40;
}

/* The five highest bits of what a lead of three and the byte after it make: 0 is an overlong form,
 * 0x1B a surrogate half. */
static bool is_three_bytes(const unsigned char *s) {
  const uint32_t ill_formed = UINT32_C(1) << 0 | UINT32_C(1) << 0x1B;
  unsigned highest = (s[0] & 0x0Fu) << 1 | (s[1] & 0x20u) >> 5;
  return are_tails(s[1], s[2]) && !(ill_formed >> highest & 1);
}

/* How many bytes the character at `s` takes: 2 or 3, or 0 when it is none of one unit. */
static size_t long_unit(const unsigned char *s) {
  if (s[0] >= 0xE0) return s[0] < 0xF0 && is_three_bytes(s) ? 3 : 0;
  return s[0] >= 0xC2 && are_tails(s[1], s[1]) ? 2 : 0;
}

const char *tlx_unit_run(const char *p, const char *end, size_t *n_characters) {
  size_t n = 0;
  while (end - p >= 8) {
    size_t n_bytes = 1, n_units = 1;
    if (*p & 0x80) {
      n_bytes = long_unit((const unsigned char *)p);
      if (n_bytes == 0) break;
    } else if (!(word_at(p) & HIGH_BITS)) {
      n_bytes = n_units = 8;
    }
    p += n_bytes;
    n += n_units;
  }
  *n_characters = n;
  return p;
}

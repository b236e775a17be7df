#include "tlx_plain_run.h"

#include <string.h>

#if defined(__SSE2__) && !defined(TLX_PORTABLE)
#include <emmintrin.h>
#endif

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* High bit set in each byte that is plain; `x | 0x20` folds [\]^_ onto {|}~ and DEL. */
static uint64_t plain_bytes(uint64_t x) {
  uint64_t seven = x & EACH(0x7F);
  uint64_t at_least_20 = seven + EACH(0x80 - 0x20);
  uint64_t at_least_7b = (seven | EACH(0x20)) + EACH(0x80 - 0x7B);
  uint64_t not_60 = (seven ^ EACH(0x60)) + EACH(0x7F);
  return at_least_20 & ~at_least_7b & not_60 & ~x & EACH(0x80);
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
  while (end - p >= 8) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    if (plain_bytes(word) != EACH(0x80)) break;
    p += 8;
  }
  return (size_t)(plain_tail(p, end) - start);
}

#if defined(__SSE2__) && !defined(TLX_PORTABLE)

/* All ones in each byte that is plain. Signed comparisons: bytes from 0x80 up are negative. */
static __m128i plain_lanes(const char *p) {
  __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
  __m128i at_least_20 = _mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x1F));
  __m128i below_7b = _mm_cmplt_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8(0x7B));
  __m128i is_60 = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x60));
  return _mm_andnot_si128(is_60, _mm_and_si128(at_least_20, below_7b));
}

static bool all_plain(__m128i lanes) {
  return _mm_movemask_epi8(lanes) == 0xFFFF;
}

size_t tlx_plain_run(const char *p, const char *end) {
  const char *start = p;
  while (end - p >= 64) {
    __m128i low = _mm_and_si128(plain_lanes(p), plain_lanes(p + 16));
    __m128i high = _mm_and_si128(plain_lanes(p + 32), plain_lanes(p + 48));
    if (!all_plain(_mm_and_si128(low, high))) break;
    p += 64;
  }
  while (end - p >= 16 && all_plain(plain_lanes(p))) p += 16;
  return (size_t)(plain_tail(p, end) - start);
}

#else

size_t tlx_plain_run(const char *p, const char *end) {
  return tlx_plain_run_portable(p, end);
}

#endif

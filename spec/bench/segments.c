/*
 * How fast texts are counted, beside a walk of the same bytes that only looks for a high bit.
 *
 *   make bench-segments
 *
 * Each figure is the median of several rounds within one run; count and walk of a row take turns,
 * so that a busy machine slows both. "speed" is the walk's time divided by the count's, round by
 * round.
 */
#define _POSIX_C_SOURCE 199309L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tlx_plain_run.h"
#include "tlx_savings.h"
#include "tlx_segments.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { N_ROUNDS = 21, ROUND_NS = 1000000 };

typedef struct job {
  tlx_str text;
  tlx_segments_options options;
} job;

typedef size_t work(const job *j);

/* What keeps the compiler from dropping the work. */
static volatile size_t sink;

static size_t high_bit_words(const char *p, const char *end) {
  const char *start = p;
  while (end - p >= 32) {
    uint64_t w[4];
    memcpy(w, p, sizeof w);
    if ((w[0] | w[1] | w[2] | w[3]) & UINT64_C(0x8080808080808080)) break;
    p += 32;
  }
  while (p < end && !(*p & 0x80)) p++;
  return (size_t)(p - start);
}

#if defined(__SSE2__)
static __m128i lane(const char *p) {
  return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static size_t high_bit_lanes(const char *p, const char *end) {
  const char *start = p;
  while (end - p >= 64) {
    __m128i low = _mm_or_si128(lane(p), lane(p + 16));
    __m128i high = _mm_or_si128(lane(p + 32), lane(p + 48));
    if (_mm_movemask_epi8(_mm_or_si128(low, high))) break;
    p += 64;
  }
  while (end - p >= 16 && !_mm_movemask_epi8(lane(p))) p += 16;
  while (p < end && !(*p & 0x80)) p++;
  return (size_t)(p - start);
}
#else
#define high_bit_lanes high_bit_words
#endif

/* Walks on past every high bit: the same bytes whatever the text. */
static size_t walk_with(size_t run(const char *, const char *), const job *j) {
  const char *p = j->text.p, *end = p + j->text.n;
  size_t found = 0;
  while (p < end) {
    p += run(p, end);
    while (p < end && (*p & 0x80)) p++, found++;
  }
  return found;
}

static size_t walk(const job *j) {
  return walk_with(high_bit_lanes, j);
}

static size_t walk_words(const job *j) {
  return walk_with(high_bit_words, j);
}

static size_t count(const job *j) {
  tlx_segments out;
  tlx_segments_count(j->text, &j->options, &out);
  return out.parts;
}

static size_t plain_run(const job *j) {
  return tlx_plain_run(j->text.p, j->text.p + j->text.n);
}

static size_t plain_run_portable(const job *j) {
  return tlx_plain_run_portable(j->text.p, j->text.p + j->text.n);
}

static size_t savings(const job *j) {
  tlx_savings found;
  tlx_segments analysis;
  tlx_segments_count(j->text, &j->options, &analysis);
  tlx_savings_find(j->text, &j->options, &analysis, &found);
  return found.n;
}

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double round_ns(work *f, const job *j, size_t times) {
  double start = now_ns();
  for (size_t i = 0; i < times; i++) sink += f(j);
  return (now_ns() - start) / (double)times;
}

static size_t calibrated(work *f, const job *j) {
  size_t times = 1;
  while (round_ns(f, j, times) * (double)times < ROUND_NS) times *= 2;
  return times;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values) {
  qsort(values, N_ROUNDS, sizeof *values, ascending);
  return values[N_ROUNDS / 2];
}

static void row(const char *name, const job *j, work *ours, work *scan) {
  double our_ns[N_ROUNDS], scan_ns[N_ROUNDS], speed[N_ROUNDS];
  size_t our_times = calibrated(ours, j), scan_times = calibrated(scan, j);
  for (int i = 0; i < N_ROUNDS; i++) {
    our_ns[i] = round_ns(ours, j, our_times);
    scan_ns[i] = round_ns(scan, j, scan_times);
    speed[i] = 100 * scan_ns[i] / our_ns[i];
  }
  printf("%-44s %9lu %11.0f %11.0f %7.0f%%\n", name, (unsigned long)j->text.n, median(our_ns),
         median(scan_ns), median(speed));
}

/* `piece` again and again, `n` times; never freed: the program is about to end. */
static tlx_str repeated(const char *piece, size_t n) {
  size_t length = strlen(piece);
  char *text = malloc(n * length + 1);
  if (!text) abort();
  for (size_t i = 0; i < n; i++) memcpy(text + i * length, piece, length);
  return (tlx_str){ text, n * length };
}

static job auto_job(const char *piece, size_t n) {
  return (job){ repeated(piece, n), { TLX_CHARSET_TELNYX, TLX_ENCODING_AUTO, false } };
}

static job smart_job(const char *piece, size_t n) {
  job j = auto_job(piece, n);
  j.options.smart = true;
  return j;
}

static void plain_rows(void) {
  const char *words = "Your order is on its way, dear! "; /* 32 letters */
  const job message = auto_job(words, 5), long_text = auto_job(words, 50);
  const job book = auto_job(words, 512), library = auto_job(words, 1 << 19);
  row("GSM-7, plain letters, 160", &message, count, walk);
  row("GSM-7, plain letters, 1,600", &long_text, count, walk);
  row("GSM-7, plain letters, 16 Ki", &book, count, walk);
  row("GSM-7, plain letters, 16 Mi", &library, count, walk);
  row("the plain run alone, 1,600", &long_text, plain_run, walk);
  row("the plain run without SIMD, 1,600", &long_text, plain_run_portable, walk_words);
}

static void mixed_rows(void) {
  const job accents =
      auto_job("Votre colis arrive \xC3\xA0 l'\xC3\xA9t\xC3\xA9, \xC3\xA0 8h. ", 50);
  const job escapes = auto_job("[ref 12] 5 \xE2\x82\xAC | ", 100);
  const job curly = smart_job("It\xE2\x80\x99s \xE2\x80\x9Con its way\xE2\x80\x9D. ", 84);
  row("GSM-7, an accent every 8 letters, 1,600", &accents, count, walk);
  row("GSM-7, escapes and digits, 1,500", &escapes, count, walk);
  row("GSM-7 after substitutions, 1,600", &curly, count, walk);
}

static void ucs2_rows(void) {
  const job han = auto_job("\xE4\xB8\xAD\xE6\x96\x87", 800);
  const job cyrillic = auto_job("\xD0\x97\xD0\xB0\xD0\xBA\xD0\xB0\xD0\xB7 \xD0\xB2 ", 200);
  const job english = auto_job("Your order is on its way \xF0\x9F\x98\x80 ", 59);
  const job faces = auto_job("\xF0\x9F\x98\x80", 1600);
  const job smart = smart_job("\xE4\xB8\xAD\xE6\x96\x87", 800);
  row("UCS-2, Han, 1,600", &han, count, walk);
  row("UCS-2, Cyrillic words, 1,600", &cyrillic, count, walk);
  row("UCS-2, English with emoji, 1,593", &english, count, walk);
  row("UCS-2, emoji only, 1,600", &faces, count, walk);
  row("UCS-2, Han, substitutions on, 1,600", &smart, count, walk);
  row("what would save, English with emoji, 1,593", &english, savings, walk);
  row("what would save, Han, 1,600", &han, savings, walk);
}

int main(void) {
  printf("%-44s %9s %11s %11s %8s\n", "text", "bytes", "count, ns", "walk, ns", "speed");
  plain_rows();
  mixed_rows();
  ucs2_rows();
  return 0;
}

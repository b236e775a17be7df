#include "tlx_date_time.h"

#include <string.h>

/* More digits of a second than a double has. */
#define MOST_FRACTION 1e15

typedef struct reader {
  const char *p, *end;
  bool ok;
} reader;

static int digits(reader *r, int n) {
  int value = 0;
  for (int i = 0; i < n; i++, r->p++) {
    if (r->p == r->end || *r->p < '0' || *r->p > '9') {
      r->ok = false;
      return 0;
    }
    value = value * 10 + (*r->p - '0');
  }
  return value;
}

static bool take(reader *r, char expected) {
  if (r->p == r->end || *r->p != expected) return false;
  r->p++;
  return true;
}

static void require(reader *r, char expected) {
  if (!take(r, expected)) r->ok = false;
}

static double fraction(reader *r) {
  double value = 0, scale = 1;
  if (!take(r, '.')) return 0;
  if (r->p == r->end || *r->p < '0' || *r->p > '9') r->ok = false;
  while (r->p < r->end && *r->p >= '0' && *r->p <= '9') {
    if (scale < MOST_FRACTION) {
      value = value * 10 + (*r->p - '0');
      scale *= 10;
    }
    r->p++;
  }
  return value / scale;
}

static int zone_offset_s(reader *r) {
  if (take(r, 'Z') || take(r, 'z')) return 0;
  int sign = take(r, '+') ? 1 : -1;
  if (sign < 0) require(r, '-');
  int hours = digits(r, 2);
  require(r, ':');
  int minutes = digits(r, 2);
  if (hours > 23 || minutes > 59) r->ok = false;
  return sign * (hours * 3600 + minutes * 60);
}

static bool is_leap(int year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month) {
  static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
  return days[month - 1] + (month == 2 && is_leap(year));
}

static int days_since_1970(int year, int month, int day) {
  int before = year - 1;
  int days = 365 * (year - 1970) + (before / 4 - before / 100 + before / 400) - 477;
  for (int m = 1; m < month; m++) days += days_in_month(year, m);
  return days + day - 1;
}

static bool epoch_s(const int date[3], const int time[3], double *seconds) {
  int year = date[0], month = date[1], day = date[2];
  if (month < 1 || month > 12) return false;
  if (day < 1 || day > days_in_month(year, month)) return false;
  if (time[0] > 23 || time[1] > 59 || time[2] > 60) return false;
  *seconds =
      days_since_1970(year, month, day) * 86400.0 + time[0] * 3600.0 + time[1] * 60.0 + time[2];
  return true;
}

static void read_date(reader *r, int date[3]) {
  date[0] = digits(r, 4);
  require(r, '-');
  date[1] = digits(r, 2);
  require(r, '-');
  date[2] = digits(r, 2);
}

bool tlx_parse_date_time(tlx_str text, double *seconds) {
  reader r = { text.p, text.p + text.n, true };
  int date[3], time[3] = { 0, 0, 0 };
  read_date(&r, date);
  if (!take(&r, 'T')) require(&r, 't');
  time[0] = digits(&r, 2);
  require(&r, ':');
  time[1] = digits(&r, 2);
  require(&r, ':');
  time[2] = digits(&r, 2);
  double second_fraction = fraction(&r);
  int offset_s = zone_offset_s(&r);
  if (!r.ok || r.p != r.end || !epoch_s(date, time, seconds)) return false;
  *seconds += second_fraction - offset_s;
  return true;
}

static void skip_letters(reader *r) {
  const char *start = r->p;
  while (r->p < r->end && ((*r->p | 0x20) >= 'a' && (*r->p | 0x20) <= 'z')) r->p++;
  if (r->p == start) r->ok = false;
}

static int month(reader *r) {
  static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const char *name = r->p;
  skip_letters(r);
  for (int i = 0; r->p - name == 3 && i < 12; i++) {
    if (memcmp(name, MONTHS + (ptrdiff_t)3 * i, 3) == 0) return i + 1;
  }
  r->ok = false;
  return 0;
}

static void time_of_day(reader *r, int time[3]) {
  time[0] = digits(r, 2);
  require(r, ':');
  time[1] = digits(r, 2);
  require(r, ':');
  time[2] = digits(r, 2);
}

/* Sun Nov  6 08:49:37 1994, from after the name of the day. */
static void asctime_date(reader *r, int date[3], int time[3]) {
  require(r, ' ');
  date[1] = month(r);
  require(r, ' ');
  date[2] = digits(r, take(r, ' ') ? 1 : 2);
  require(r, ' ');
  time_of_day(r, time);
  require(r, ' ');
  date[0] = digits(r, 4);
}

/* Sun, 06 Nov 1994 08:49:37 GMT and Sunday, 06-Nov-94 08:49:37 GMT, from after the comma. */
static void gmt_date(reader *r, int date[3], int time[3]) {
  require(r, ' ');
  date[2] = digits(r, 2);
  bool has_dashes = take(r, '-');
  if (!has_dashes) require(r, ' ');
  date[1] = month(r);
  require(r, has_dashes ? '-' : ' ');
  date[0] = digits(r, has_dashes ? 2 : 4);
  if (has_dashes) date[0] += date[0] < 70 ? 2000 : 1900;
  require(r, ' ');
  time_of_day(r, time);
  require(r, ' ');
  require(r, 'G');
  require(r, 'M');
  require(r, 'T');
}

bool tlx_parse_http_date(const char *text, double *seconds) {
  reader r = { text, text + strlen(text), true };
  int date[3] = { 0, 0, 0 }, time[3] = { 0, 0, 0 };
  skip_letters(&r);
  if (take(&r, ',')) {
    gmt_date(&r, date, time);
  } else {
    asctime_date(&r, date, time);
  }
  return r.ok && r.p == r.end && date[0] >= 1970 && epoch_s(date, time, seconds);
}

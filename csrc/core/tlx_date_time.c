#include "tlx_date_time.h"

#include <stdio.h>
#include <string.h>

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
  double value = 0, scale = 0.1;
  if (!take(r, '.')) return 0;
  if (r->p == r->end || *r->p < '0' || *r->p > '9') r->ok = false;
  for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++, scale /= 10) {
    value += (*r->p - '0') * scale;
  }
  return value;
}

static int zone_offset_s(reader *r) {
  if (take(r, 'Z') || take(r, 'z')) return 0;
  int sign = take(r, '+') ? 1 : -1;
  if (sign < 0) require(r, '-');
  int hours = digits(r, 2);
  int minutes = 0;
  if (take(r, ':') || r->p < r->end) minutes = digits(r, 2);
  if (hours > 14 || minutes > 59) r->ok = false;
  return sign * (hours * 3600 + minutes * 60);
}

static bool is_leap(int year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month) {
  static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
  return days[month - 1] + (month == 2 && is_leap(year));
}

static double days_since_1970(int year, int month, int day) {
  int before = year - 1;
  double days = 365.0 * (year - 1970) + (before / 4 - before / 100 + before / 400) - 477;
  for (int m = 1; m < month; m++) days += days_in_month(year, m);
  return days + day - 1;
}

static bool epoch_s(const int date[3], const int time[3], double *seconds) {
  int year = date[0], month = date[1], day = date[2];
  if (year < 1970 || month < 1 || month > 12) return false;
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
  double second_fraction = 0;
  read_date(&r, date);
  if (!take(&r, 'T')) require(&r, 't');
  time[0] = digits(&r, 2);
  require(&r, ':');
  time[1] = digits(&r, 2);
  if (take(&r, ':')) {
    time[2] = digits(&r, 2);
    second_fraction = fraction(&r);
  }
  int offset_s = zone_offset_s(&r);
  if (!r.ok || r.p != r.end || !epoch_s(date, time, seconds)) return false;
  *seconds += second_fraction - offset_s;
  return true;
}

static int month_named(const char name[4]) {
  static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const char *found = strlen(name) == 3 ? strstr(MONTHS, name) : NULL;
  return found && (found - MONTHS) % 3 == 0 ? (int)(found - MONTHS) / 3 + 1 : 0;
}

bool tlx_parse_http_date(const char *text, double *seconds) {
  int date[3] = { 0, 0, 0 }, time[3] = { 0, 0, 0 };
  char month[4] = "", zone[4] = "";
  if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3s", &date[2], month, &date[0],
             &time[0], &time[1], &time[2], zone) != 7 &&
      sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d %3s", &date[2], month, &date[0],
             &time[0], &time[1], &time[2], zone) != 7 &&
      sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d", month, &date[2], &time[0],
             &time[1], &time[2], &date[0]) != 6) {
    return false;
  }
  if (date[0] < 70) date[0] += 2000;
  if (date[0] < 100) date[0] += 1900;
  for (int i = 0; i < 3; i++) {
    if (time[i] < 0) return false;
  }
  date[1] = month_named(month);
  return epoch_s(date, time, seconds);
}

#include "tlx_check.h"

#include "tlx_date_time.h"

#define SEND_AT_EARLIEST_S (5 * 60)
#define SEND_AT_LATEST_S (5 * 24 * 3600)
/* Our clock and the service's differ: what is borderline is left for the service to judge. */
#define CLOCK_TOLERANCE_S 60

static bool is_in_window(double ahead_s) {
  return ahead_s >= SEND_AT_EARLIEST_S - CLOCK_TOLERANCE_S &&
         ahead_s <= SEND_AT_LATEST_S + CLOCK_TOLERANCE_S;
}

void tlx_check_time(tlx_check *check) {
  if (!tlx_check_is_usable(check, TLX_FIELD_send_at)) return;
  tlx_str text = tlx_check_string(check, TLX_FIELD_send_at);
  double at_s = 0;
  if (!tlx_parse_date_time(text, &at_s)) {
    tlx_findings_add(check->findings, TLX_RULE_send_at_form, "/send_at",
                     "'send_at' must be a real date and time with seconds and a zone, such as "
                     "\"2026-01-31T09:00:00Z\", got %s",
                     tlx_quote(text).text);
  } else if (!is_in_window(at_s - check->now_s)) {
    tlx_findings_add(check->findings, TLX_RULE_send_at_window, "/send_at",
                     "'send_at' must be 5 minutes to 5 days ahead, got %s", tlx_quote(text).text);
  }
}

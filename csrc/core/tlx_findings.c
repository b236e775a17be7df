#include "tlx_findings.h"

#include <stdarg.h>
#include <stdio.h>

void tlx_findings_start(tlx_findings *findings, tlx_policy policy) {
  findings->policy = policy;
  findings->n = 0;
  findings->n_refused = 0;
}

/* What does not fit refuses: so many faults have no way out. */
static void tell_number(tlx_findings *findings) {
  tlx_finding *last = &findings->list[TLX_MAX_FINDINGS - 1];
  last->rule = TLX_RULE_more_faults;
  last->ruling = TLX_REFUSED;
  last->pointer[0] = '\0';
  snprintf(last->detail, sizeof last->detail, "%lu more faults",
           (unsigned long)(findings->n - TLX_MAX_FINDINGS + 1));
}

void tlx_findings_add(tlx_findings *findings, tlx_rule_id rule, const char *pointer,
                      const char *detail, ...) {
  tlx_ruling ruling = tlx_policy_rule_on(&findings->policy, rule);
  size_t i = findings->n++;
  if (ruling == TLX_REFUSED || i >= TLX_MAX_FINDINGS) findings->n_refused++;
  if (i >= TLX_MAX_FINDINGS) {
    tell_number(findings);
    return;
  }
  tlx_finding *finding = &findings->list[i];
  finding->rule = rule;
  finding->ruling = ruling;
  snprintf(finding->pointer, sizeof finding->pointer, "%s", pointer);
  va_list arguments;
  va_start(arguments, detail);
  vsnprintf(finding->detail, sizeof finding->detail, detail, arguments);
  va_end(arguments);
}

size_t tlx_findings_kept(const tlx_findings *findings) {
  return findings->n < TLX_MAX_FINDINGS ? findings->n : TLX_MAX_FINDINGS;
}

/*
 * What is to be said of a message: every fault at once, with JSON pointers, so that one handler
 * serves what we refuse and what the service refuses.
 */
#ifndef TLX_FINDINGS_H
#define TLX_FINDINGS_H

#include "tlx.h"
#include "tlx_rules.h"

#define TLX_MAX_FINDINGS 32

typedef struct tlx_finding {
  tlx_rule_id rule;
  tlx_ruling ruling;
  char pointer[64]; /* RFC 6901, cut to fit */
  char detail[240]; /* a sentence: the field, what was given, what is allowed; cut to fit */
} tlx_finding;

/* Caller-owned, no freeing. Of those beyond the room only the number is kept, in the last one. */
typedef struct tlx_findings {
  tlx_policy policy;
  size_t n;
  size_t n_refused; /* of them; the message may be sent when it is 0 */
  tlx_finding list[TLX_MAX_FINDINGS];
} tlx_findings;

/* Empties `findings`, which need not have been set before. */
void tlx_findings_start(tlx_findings *findings, tlx_policy policy);

/* Adds one, with the ruling of the policy; `detail` is a printf format. `pointer` and the
 * arguments are copied. */
void tlx_findings_add(tlx_findings *findings, tlx_rule_id rule, const char *pointer,
                      const char *detail, ...) TLX_PRINTF(4, 5);

/* How many are kept. */
size_t tlx_findings_kept(const tlx_findings *findings);

#endif

#include "tlx_rules.h"

#include <string.h>

enum { REFUSE, WARN };
enum { CLOSED, OPEN };

#define LIVE "live"
#define DOCUMENTED "documented"
#define SCHEMA "schema"
#define INFERRED "inferred"
#define OWN "own"

const tlx_rule tlx_rules[TLX_N_RULES] = {
#define TLX_RULE(name, verdict, way, code, evidence, what, source, advice) \
  { #name, (verdict) == WARN, (way) == OPEN, code, evidence, what, source, advice },
#include "tlx_rules.def"
#undef TLX_RULE
};

/* A policy has a bit for each. */
typedef char rules_fit_a_policy[TLX_N_RULES <= 64 ? 1 : -1];

tlx_rule_id tlx_rule_named(tlx_str name) {
  int rule = 0;
  while (rule < TLX_N_RULES) {
    tlx_str own = { tlx_rules[rule].name, strlen(tlx_rules[rule].name) };
    if (tlx_str_eq(own, name)) break;
    rule++;
  }
  return (tlx_rule_id)rule;
}

static uint64_t bit_of(tlx_rule_id rule) {
  return UINT64_C(1) << rule;
}

void tlx_policy_accept(tlx_policy *policy, tlx_rule_id rule) {
  policy->accepted |= bit_of(rule);
}

tlx_policy tlx_policy_of_judged(void) {
  return (tlx_policy){ UINT64_MAX, false };
}

tlx_ruling tlx_policy_rule_on(const tlx_policy *policy, tlx_rule_id rule) {
  if (tlx_rules[rule].is_warning && !policy->is_strict) return TLX_WARNED;
  bool is_accepted = tlx_rules[rule].has_way_out && (policy->accepted & bit_of(rule)) != 0;
  return is_accepted ? TLX_LET_THROUGH : TLX_REFUSED;
}

/*
 * The rules that a message is judged by, as data: what each is called, what it makes of a message,
 * which code it has, where it is known from. Sources: named with each in tlx_rules.def.
 */
#ifndef TLX_RULES_H
#define TLX_RULES_H

#include "tlx.h"

typedef enum tlx_rule_id {
#define TLX_RULE(name, verdict, way, code, evidence, what, source, advice) TLX_RULE_##name,
#include "tlx_rules.def"
#undef TLX_RULE
  TLX_N_RULES
} tlx_rule_id;

/* Static strings, none of them NULL. */
typedef struct tlx_rule {
  const char *name;
  bool is_warning; /* else a refusal */
  bool has_way_out;
  const char *code;     /* five digits of the service's, or the name */
  const char *evidence; /* "live", "documented", "schema", "inferred" or "own" */
  const char *what;     /* breaks it */
  const char *source;
  const char *advice; /* a sentence */
} tlx_rule;

/* By tlx_rule_id. */
extern const tlx_rule tlx_rules[TLX_N_RULES];

/* The rule called `name`, or TLX_N_RULES. Thread-safe. */
tlx_rule_id tlx_rule_named(tlx_str name);

/* What its sender has decided about the rules. */
typedef struct tlx_policy {
  uint64_t accepted; /* a bit for each rule that is let through; closed ones never are */
  bool is_strict;    /* warnings refuse, unless they are accepted */
} tlx_policy;

/* Lets a rule through. Thread-safe on policies of one's own. */
void tlx_policy_accept(tlx_policy *policy, tlx_rule_id rule);

/* For a message that has been judged already: only what cannot be sent is refused. */
tlx_policy tlx_policy_of_judged(void);

typedef enum tlx_ruling {
  TLX_REFUSED,
  TLX_WARNED,
  TLX_LET_THROUGH /* it would have been refused */
} tlx_ruling;

/* What becomes of a message that breaks the rule. Thread-safe. */
tlx_ruling tlx_policy_rule_on(const tlx_policy *policy, tlx_rule_id rule);

#endif

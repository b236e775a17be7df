/*
 * What the service would refuse, found before anything leaves the machine, and what it may. Refused
 * is only what it would certainly refuse: where its documents leave a doubt, the message passes
 * with a warning and the service decides. The rules are in tlx_rules.def, each with its source.
 */
#ifndef TLX_VALIDATE_H
#define TLX_VALIDATE_H

#include "tlx.h"
#include "tlx_findings.h"
#include "tlx_message.h"

/*
 * Adds what is to be said of `message` to `findings`, field after field.
 *
 * now_s     Wall clock, seconds since 1970: `send_at` is judged by it.
 * findings  Started, with the policy that verdicts go by.
 * Thread-safe, never allocates.
 */
void tlx_validate(const tlx_message *message, double now_s, tlx_findings *findings);

#endif

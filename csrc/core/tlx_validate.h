/*
 * What the service would refuse, found before anything leaves the machine. Only what it would
 * certainly refuse: where its documents leave a doubt, the message passes and the service decides.
 */
#ifndef TLX_VALIDATE_H
#define TLX_VALIDATE_H

#include "tlx.h"
#include "tlx_message.h"
#include "tlx_violations.h"

/*
 * Adds every fault of `message` to `violations`, field after field.
 *
 * now_s  Wall clock, seconds since 1970: `send_at` is judged by it.
 * Thread-safe, never allocates. Sources of the rules: the service's error-code pages, its message,
 * MMS and scheduling pages.
 */
void tlx_validate(const tlx_message *message, double now_s, tlx_violations *violations);

/* Yes when the service would take the message for an SMS: `type`, or else no media
 * and no subject. */
bool tlx_message_is_sms(const tlx_message *message);

#endif

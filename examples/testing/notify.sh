#!/bin/sh
# notify.sh: the program. It sends a code to whoever logs in: sh notify.sh PHONE LOGIN
# It says "sent", "refused", or "unknown": then it may have been sent.
set -eu
phone=$1 login=$2
code=$((100000 + $(od -An -N4 -tu4 /dev/urandom) % 900000))

post() {
  curl -s -o /dev/null -w '%{http_code}' "$TELNYX_BASE_URL/messages" --json @- \
    -H "Authorization: Bearer $TELNYX_API_KEY" -H "Idempotency-Key: $login" <<JSON
{"from": "+13125550001", "to": "$phone", "text": "Your code is $code.",
 "webhook_url": "$WEBHOOK_URL"}
JSON
}

status=$(post || true)
if [ "$status" -eq 429 ]; then # too many at once, and not sent: once more
  sleep 1
  status=$(post || true)
fi
case $status in
  2??) echo sent ;;
  4??) echo refused ;;
  *) echo unknown ;;
esac

#!/bin/sh
# notify_test.sh: the test. The first command that fails ends it.
set -eu
cd "$(dirname "$0")"

# Nobody listens there. What was posted to it is to be found in the sandbox.
export WEBHOOK_URL=http://127.0.0.1:9/hooks
origin=${TELNYX_BASE_URL%/v2}
phone=+13125550002

# The value of a field of the JSON that comes in; there has to be one.
field() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4 | grep .; }

# The body of an answer. Any but 200 is a failure: it says why.
ask() {
  answer=$(curl -sS --fail-with-body "$@") && echo "$answer" && return
  echo "$answer" | field detail >&2
  return 1
}

# What a test asks of the sandbox: a method, a path, perhaps JSON.
sandbox() { ask -X "$1" "$origin/sandbox/$2" ${3:+--json "$3"}; }

# Waits at most ten seconds for what matches.
list() { path=$1; shift; ask -G "$origin/sandbox/$path" -d wait=10 "$@"; }

begin() {
  echo "test: $1"
  sandbox DELETE messages >/dev/null
  # Messages end when a test says so.
  sandbox PATCH options '{"t_sent": 0, "t_finalized": 3600, "weather": null, "weather_times": 0,
    "profile_webhook_url": "'$WEBHOOK_URL'"}' >/dev/null
}

begin "the code is in the message"
test "$(sh notify.sh $phone login-1)" = sent
text=$(list messages -d to=$phone -d match=Your+code+is | field text)
code=$(echo "$text" | grep -oE '[0-9]{6}')
test "$text" = "Your code is $code."

begin "one message for a login, also when the answer is lost"
sandbox PATCH options '{"weather": "51500", "weather_times": 1}' >/dev/null
sh notify.sh $phone login-2 >/dev/null
sandbox GET 'messages?key=login-2&exactly=1' >/dev/null

begin "what is refused for being too many at once goes out in the end"
busy=+15550042910 # this recipient's first message is answered with 429
test "$(sh notify.sh $busy login-3)" = sent
sandbox GET 'messages?key=login-3&exactly=1' >/dev/null

begin "who says STOP gets no more"
sh notify.sh $phone login-4 >/dev/null
from=$(list messages -d key=login-4 | field from)
sandbox POST reply '{"from": "'$phone'", "to": "'"$from"'", "text": "STOP"}' >/dev/null
list webhooks -d event_type=message.received | grep -q '\\"text\\":\\"STOP\\"'
test "$(sh notify.sh $phone login-5)" = refused
sandbox GET 'messages?key=login-5&exactly=0' >/dev/null

begin "a message that does not arrive is told"
sh notify.sh $phone login-6 >/dev/null
id=$(list messages -d key=login-6 | field id)
sandbox POST outcome '{"id": "'"$id"'", "status": "delivery_failed", "code": "40008"}' >/dev/null
list webhooks -d message="$id" -d event_type=message.finalized |
  grep -q '\\"status\\":\\"delivery_failed\\"'

echo "all is well"

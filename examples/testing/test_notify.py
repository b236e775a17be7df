# test_notify.py: the test. Run it with: python3 -m unittest
import json
import os
import re
import unittest
import urllib.error
import urllib.parse
import urllib.request

# Nobody listens there. What was posted to it is to be found in the sandbox.
os.environ["WEBHOOK_URL"] = "http://127.0.0.1:9/hooks"

import notify  # noqa: E402

ORIGIN = os.environ["TELNYX_BASE_URL"].replace("/v2", "")
PHONE = "+13125550002"


def sandbox(method, path, **fields):
    """What a test asks of the sandbox. Anything but 200 fails the test."""
    url, body = f"{ORIGIN}/sandbox/{path}", None
    if method == "GET":
        url += "?" + urllib.parse.urlencode(fields)
    elif fields:
        body = json.dumps(fields).encode()
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        detail = json.load(error)["errors"][0]["detail"]
        raise AssertionError(f"{path}: {error.code} {detail}") from None


def first(path, **fields):
    """Waits at most ten seconds for the first that matches."""
    data = sandbox("GET", path, wait=10, **fields)["data"]
    assert data, f"no {path} with {fields} in ten seconds"
    return data[0]


class Notify(unittest.TestCase):
    def setUp(self):
        sandbox("DELETE", "messages")
        sandbox("PATCH", "options",
                t_sent=0, t_finalized=3600,  # messages end when a test says so
                weather=None, weather_times=0,
                profile_webhook_url=os.environ["WEBHOOK_URL"])

    def test_the_code_is_in_the_message(self):
        self.assertEqual(notify.send_code(PHONE, "login-1"), "sent")
        message = first("messages", to=PHONE, match="Your code is")
        code = re.search(r"\d{6}", message["text"]).group()
        self.assertEqual(message["text"], f"Your code is {code}.")
        self.assertEqual(message["parts"], 1)

    def test_one_message_for_a_login_also_when_the_answer_is_lost(self):
        sandbox("PATCH", "options", weather="51500", weather_times=1)
        notify.send_code(PHONE, "login-2")
        sandbox("GET", "messages", key="login-2", exactly=1)

    def test_what_is_refused_for_being_too_many_at_once_goes_out_in_the_end(self):
        busy = "+15550042910"  # this recipient's first message is answered with 429
        self.assertEqual(notify.send_code(busy, "login-3"), "sent")
        sandbox("GET", "messages", key="login-3", exactly=1)

    def test_who_says_stop_gets_no_more(self):
        notify.send_code(PHONE, "login-4")
        message = first("messages", key="login-4")
        sandbox("POST", "reply", **{"from": PHONE, "to": message["from"], "text": "STOP"})
        webhook = json.loads(first("webhooks", event_type="message.received")["body"])
        self.assertEqual(webhook["data"]["payload"]["text"], "STOP")
        self.assertEqual(notify.send_code(PHONE, "login-5"), "refused")
        sandbox("GET", "messages", key="login-5", exactly=0)

    def test_a_message_that_does_not_arrive_is_told(self):
        notify.send_code(PHONE, "login-6")
        message = first("messages", key="login-6")
        sandbox("POST", "outcome", id=message["id"], status="delivery_failed", code="40008")
        webhook = first("webhooks", message=message["id"], event_type="message.finalized")
        payload = json.loads(webhook["body"])["data"]["payload"]
        self.assertEqual(payload["to"][0]["status"], "delivery_failed")

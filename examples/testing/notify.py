# notify.py: the program. It sends a code to whoever logs in.
import json
import os
import secrets
import time
import urllib.error
import urllib.request


def post(message, key):
    request = urllib.request.Request(
        os.environ["TELNYX_BASE_URL"] + "/messages",
        data=json.dumps(message).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["TELNYX_API_KEY"],
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def send_code(phone, login):
    """Returns "sent", "refused", or "unknown": then it may have been sent."""
    text = f"Your code is {secrets.randbelow(900000) + 100000}."
    message = {"from": "+13125550001", "to": phone, "text": text,
               "webhook_url": os.environ.get("WEBHOOK_URL", "")}
    status = post(message, login)
    if status == 429:  # too many at once, and not sent: once more
        time.sleep(1)
        status = post(message, login)
    if status < 300:
        return "sent"
    return "refused" if status < 500 else "unknown"

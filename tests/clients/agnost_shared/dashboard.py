"""The dashboard as a script reads it: one call, and a wait until what was sent has come."""

import json
import os
import time
import urllib.error
import urllib.request

BASE_URL = os.environ["BASE_URL"]
ORG_ID = os.environ["ORG_ID"]


def dashboard(route, body):
    """The answer as JSON; None for 404."""
    request = urllib.request.Request(
        f"{BASE_URL}/dashboard/api/{route}",
        json.dumps(body).encode(),
        {"content-type": "application/json", "x-api-key": os.environ["API_KEY"]},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise SystemExit(f"{route} answered {error.code}: {error.read().decode()}")


def conversation(session_id, messages):
    """The conversation, once it has as many messages as that; fails if it never does, or has more."""
    deadline = time.monotonic() + 20
    while True:
        found = dashboard("conversation-messages", {"conversation_id": session_id})
        count = len(found["messages"]) if found else 0
        if count == messages:
            return found
        if count > messages or time.monotonic() > deadline:
            raise SystemExit(f"{session_id} has {count} messages instead of {messages}")
        time.sleep(0.1)


def same(what, found, expected):
    if found != expected:
        raise SystemExit(f"{what} reads as {found!r} instead of {expected!r}")

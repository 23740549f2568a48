"""The quickstart's steps in Python, with the standard library alone."""

import json
import os
import urllib.error
import urllib.request

BASE_URL, API_KEY = os.environ["BASE_URL"], os.environ["API_KEY"]


def call(method, path, body=None):
    headers = {"x-api-key": API_KEY, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(BASE_URL + path, data, headers, method=method), timeout=60)


def deltas(response):
    """The lines of a stream as they come."""
    for line in response:
        line = line.decode()
        if not line.startswith("data: "):
            continue
        data = line[len("data: ") :].rstrip("\n")
        if data == "[DONE]":
            return
        yield json.loads(data).get("delta", "")


def same(found, expected):
    if found != expected:
        raise SystemExit(f"found {found!r}, expected {expected!r}")


agent = json.load(call("POST", "/v1/chat/agents", {"name": "Support Agent", "modelId": "gpt-4o-mini"}))
session = json.load(call("POST", "/v1/chat/chat/sessions", {"agentId": agent["id"], "metadata": {"userId": "usr_123"}}))
same(session["metadata"], {"userId": "usr_123"})
messages = f"/v1/chat/chat/sessions/{session['id']}/messages"

asked = "Grüß dich, 世界! " * 500
with call("POST", messages, {"content": asked}) as stream:
    same(stream.headers["content-type"], "text/event-stream; charset=utf-8")
    same("".join(deltas(stream)), f"You said: {asked}")
same(json.load(call("POST", messages, {"content": "Hi", "stream": False}))["content"], "You said: Hi")
same([said["role"] for said in json.load(call("GET", messages))["data"]], ["USER", "ASSISTANT"] * 2)

# Page by page, as the pagination guide does it.
seen, page = [], 1
while len(seen) < 4:
    listed = json.load(call("GET", f"{messages}?page={page}&limit=3"))
    seen += listed["data"]
    page += 1
    if page > listed["pagination"]["totalPages"]:
        break
same(len(seen), listed["pagination"]["total"])

same(json.load(call("PATCH", f"/v1/chat/chat/sessions/{session['id']}/close"))["state"], "CLOSED")
try:
    call("POST", messages, {"content": "late"})
    raise SystemExit("a closed session took a message")
except urllib.error.HTTPError as refused:
    same((refused.code, json.load(refused)["error"]["code"]), (400, "INVALID_SESSION"))
print("quickstart in Python: as published")

"""An agent looks at conversations through the protocol's own client: it lists tools, lists sessions, reads one, and
searches; without a key it is rejected."""

import asyncio
import json
import os
import urllib.request
import uuid

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

BASE_URL, API_KEY = os.environ["BASE_URL"], os.environ["API_KEY"]
URL = f"{BASE_URL}/sessionary/mcp"
WORD = f"umbrella-{uuid.uuid4().hex[:8]}"


def ask(method, path, body=None):
    request = urllib.request.Request(
        BASE_URL + path, method=method, data=None if body is None else json.dumps(body).encode(),
        headers={"x-api-key": API_KEY, "content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def make():
    conversation = str(uuid.uuid4())
    ask("POST", "/api/v1/capture-session", {"session_id": conversation, "user_data": {"user_id": "ann"}})
    ask("POST", "/api/v1/capture-event", {
        "event_id": str(uuid.uuid4()), "session_id": conversation, "primitive_name": "support", "latency": 3,
        "args": f"Where is my {WORD}?", "result": "In the hall."})
    return conversation


async def call(client, name, **arguments):
    result = await client.call_tool(name, arguments)
    text = result.content[0].text
    return result.isError, text if result.isError else json.loads(text)


async def look(headers):
    async with streamablehttp_client(URL, headers=headers) as (read, write, _):
        async with ClientSession(read, write) as client:
            info = await client.initialize()
            assert info.serverInfo.name == "sessionary", info
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"list_sessions", "get_session", "read_messages", "search_sessions"}, tools
            assert tools["read_messages"].inputSchema["required"] == ["session_id"]
            assert all(tool.annotations.readOnlyHint for tool in tools.values())

            failed, listed = await call(client, "list_sessions", dialect=["agnost"], limit=1)
            session = listed["sessions"][0]
            assert not failed and session["vendor_id"] == conversation and listed["next_cursor"], listed
            failed, single = await call(client, "get_session", session_id=session["id"])
            assert not failed and single["user_id"] == "ann" and single["last_event_number"] == 1, single
            failed, messages = await call(client, "read_messages", session_id=session["id"])
            said = [(message["role"], message["text"]) for message in messages["messages"]]
            assert said == [("user", f"Where is my {WORD}?"), ("assistant", "In the hall.")], messages
            failed, found = await call(client, "search_sessions", q=WORD)
            assert [result["session"]["id"] for result in found["results"]] == [session["id"]], found

            for name, arguments in [("get_session", {"session_id": "x"}), ("list_sessions", {"nonsense": "x"}),
                                    ("search_sessions", {}), ("list_sessions", {"limit": 1000})]:
                failed, text = await call(client, name, **arguments)
                assert failed and text, (name, text)


async def is_rejected(headers):
    try:
        await look(headers)
    except* httpx.HTTPStatusError as group:
        errors = group
        while isinstance(errors, BaseExceptionGroup):
            errors = errors.exceptions[0]
        assert errors.response.status_code == 401, errors
        return
    raise AssertionError(f"{headers} were accepted")


conversation = make()
asyncio.run(look({"x-api-key": API_KEY}))
asyncio.run(look({"authorization": f"Bearer {API_KEY}"}))
asyncio.run(is_rejected({}))
asyncio.run(is_rejected({"x-api-key": "sk_live_nonsense"}))
foreign = httpx.post(URL, headers={"x-api-key": API_KEY, "origin": "https://evil.example"}, json={})
assert foreign.status_code == 403, foreign.text
print("mcp: an agent lists tools and sessions, reads one, searches, and needs a key")

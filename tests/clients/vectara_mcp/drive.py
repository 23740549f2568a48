"""The requests of the tools for agents of Vectara's MCP server (vectara-mcp at 2b5f109, vectara_mcp/agents.py): the same
headers, queries and bodies, over one kept-alive connection."""

import http.client
import json
import os
import urllib.parse

URL = urllib.parse.urlparse(os.environ["BASE_URL"])
HEADERS = {
    "User-Agent": "Vectara-MCP-Server/2.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "x-api-key": os.environ["API_KEY"],
    "Content-Type": "application/json",
}
connection = http.client.HTTPConnection(URL.hostname, URL.port)


def ask(method, path, payload=None, status=200):
    body = None if payload is None else json.dumps(payload)
    connection.request(method, "/v2" + path, body, HEADERS)
    response = connection.getresponse()
    text = response.read()
    assert response.status == status, f"{method} {path}: {response.status} {text}"
    return json.loads(text) if text else None


agent = ask("POST", "/agents", {"name": "Made by a tool", "model": {"name": "gpt-4o"}}, 201)["key"]
assert any(a["key"] == agent for a in ask("GET", "/agents?limit=10&filter=Made&enabled=true")["agents"])
assert ask("GET", f"/agents/{agent}")["name"] == "Made by a tool"
assert ask("PATCH", f"/agents/{agent}", {"description": ""})["key"] == agent

made = ask("POST", f"/agents/{agent}/sessions", {}, 201)
assert made["name"] and made["key"].startswith("ase_"), made
keyed = ask("POST", f"/agents/{agent}/sessions", {"key": "by_tool"}, 201)
assert keyed["key"] == "by_tool" and keyed["name"], keyed
full = {"key": "by_tool_2", "name": "Named", "description": "d", "metadata": {"a": 1}, "tti_minutes": 5}
assert ask("POST", f"/agents/{agent}/sessions", full, 201)["name"] == "Named"
assert len(ask("GET", f"/agents/{agent}/sessions?limit=10")["sessions"]) == 3
assert ask("GET", f"/agents/{agent}/sessions/by_tool")["key"] == "by_tool"

message = {"type": "input_message", "messages": [{"type": "text", "content": "hello"}], "stream_response": False}
events = ask("POST", f"/agents/{agent}/sessions/by_tool/events", message, 201)["events"]
output = next(event for event in events if event["type"] == "agent_output")
assert "hello" in output["content"], events

ask("DELETE", f"/agents/{agent}/sessions/by_tool", status=204)
ask("GET", f"/agents/{agent}/sessions/by_tool", status=404)
ask("DELETE", f"/agents/{agent}", status=204)
print("vectara-mcp's requests: agents, sessions with and without a name, a message")

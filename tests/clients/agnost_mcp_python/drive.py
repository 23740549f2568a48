"""Tool calls through a toy MCP server that the vendor's Python client tracks."""

import asyncio
import json
import time
import uuid

import agnost_mcp
from mcp.server.fastmcp import FastMCP
from mcp.shared.memory import create_connected_server_and_client_session
from dashboard import BASE_URL, ORG_ID, dashboard, same

tool = f"add_{uuid.uuid4().hex[:8]}"
server = FastMCP("toy")


@server.tool(name=tool)
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    if a < 0:
        raise ValueError("no negative numbers")
    return a + b


agnost_mcp.track(server, ORG_ID, agnost_mcp.config(
    endpoint=BASE_URL, identify=lambda request, env: {"userId": "ann", "role": "admin"}))


async def talk():
    async with create_connected_server_and_client_session(server._mcp_server) as client:
        for number in range(20):
            await client.call_tool(tool, {"a": number, "b": 1})
        await client.call_tool(tool, {"a": -1, "b": 1})


asyncio.run(talk())
agnost_mcp.shutdown()

deadline = time.monotonic() + 20
while True:
    page = dashboard("raw-logs", {"agent_name": tool, "page_size": 100})
    if len(page["logs"]) >= 21 or time.monotonic() > deadline:
        break
    time.sleep(0.1)
calls = sorted(page["logs"], key=lambda call: call["number"])
same("how many calls came", len(calls), 21)
same("one conversation", len({call["session_id"] for call in calls}), 1)
same("the kinds", {call["kind"] for call in calls}, {"tool"})
inputs = sorted((json.loads(call["input"]) for call in calls), key=lambda given: given["a"])
same("the arguments", inputs, [{"a": number, "b": 1} for number in range(-1, 20)])
failed = [call for call in calls if not call["success"]]
same("what failed", [json.loads(call["input"])["a"] for call in failed], [-1])
if "no negative numbers" not in failed[0]["output"]:
    raise SystemExit(f"the error reads as {failed[0]['output']!r}")
five = next(call for call in calls if json.loads(call["input"])["a"] == 4)
if "5" not in five["output"]:
    raise SystemExit(f"4 + 1 reads as {five['output']!r}")
found = dashboard("conversation-messages", {"conversation_id": calls[0]["session_id"]})
same("the user", found["user_id"], "ann")
same("its tools", found["tools"], [tool])
stats = [row for row in dashboard("tool-stats", {"agent_name": tool})["tool_stats"] if row["name"] == tool]
same("the figures", [(row["count"], row["error_count"]) for row in stats], [(21, 1)])
print("agnost-mcp 0.2.0 (Python): 21 calls arrived once and read as they were made")

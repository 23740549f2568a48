"""What a user of the SDK's asynchronous client relies on when the model behind an agent is slow, fails or writes odd
characters: a stream loses nothing, an interrupt ends it, and a retry repeats nothing. Without retries of our own: those
are the SDK's, as it ships them."""

import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import uuid

BASE = os.environ["BASE_URL"].rstrip("/")
KEY = os.environ["API_KEY"]
os.environ.pop("VECTARA_API_KEY", None)

from vectara import AsyncVectara
from vectara.agent_events.types import (
    CreateAgentEventsRequestBody_InputMessage as Message,
    CreateAgentEventsRequestBody_Interrupt as Interrupt,
    CreateAgentEventsStreamRequestBody_InputMessage as StreamedMessage,
)
from vectara.core.api_error import ApiError
from vectara.environment import VectaraEnvironment

ODD = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\r\nh 😀"
checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"vectara, models: does not hold: {what}")


class Model(http.server.BaseHTTPRequestHandler):
    """Does what the last message says: speaks oddly, is slow, or fails."""

    asked, hung_up = [], threading.Event()

    def log_message(self, *_):
        pass

    def piece(self, content):
        self.wfile.write(b'data: {"choices":[{"delta":{"content":%s}}]}\n\n' % content.encode())
        self.wfile.flush()

    def do_POST(self):
        messages = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"]
        Model.asked.append(messages)
        said = messages[-1]["content"]
        if said.endswith("fail"):
            self.send_response(400)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        if said.endswith("odd"):
            self.piece(json.dumps(ODD[:-1]))
            self.piece(r'"\ud83d"')
            self.piece(r'"\ude00"')
        elif said.endswith("slow"):
            try:
                for word in range(100):
                    self.piece(f'"w{word} "')
                    time.sleep(0.2)
            except OSError:
                Model.hung_up.set()
                return
        else:
            self.piece('"Hello"')
        self.wfile.write(b"data: [DONE]\n\n")


def agent(port):
    """An agent that the model answers for; the command line alone gives an agent a responder."""
    key = f"model_{uuid.uuid4().hex[:8]}"
    responder = {"kind": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "model": "m"}
    command = [os.environ["SERVICE_PROGRAM"], "agent", "create", "--org", os.environ["ORG_ID"], "--name", key]
    command += ["--key", key, "--responder", json.dumps(responder)]
    settings = {**os.environ, "SESSIONARY_DATA_DIR": os.environ["SERVICE_DATA_DIR"]}
    settings.pop("DATABASE_URL", None)
    subprocess.run(command, check=True, env=settings, stdout=subprocess.DEVNULL)
    return key


def text(content):
    return [{"type": "text", "content": content}]


async def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    key = agent(server.server_port)
    client = AsyncVectara(api_key=KEY, environment=VectaraEnvironment(default=BASE, auth=BASE))
    events = client.agent_events

    async def session():
        return (await client.agent_sessions.create(key, name="x")).key

    async def kinds(mine):
        return [event.type async for event in await events.list(key, mine)]

    mine = await session()
    frames = [f async for f in events.create_stream(key, mine, request=StreamedMessage(messages=text(ODD + "odd")))]
    streamed = "".join(f.content for f in frames if f.type == "streaming_agent_output")
    check(streamed == ODD, f"a stream of odd characters: {ascii(streamed)}")
    check(frames[0].type == "input_message", "the message is in the stream")
    check(frames[0].messages[0].content == ODD + "odd", "the message is as it was sent")
    check([f.type for f in frames[-2:]] == ["streaming_agent_output_end", "end"], "the stream has its end")
    said = await events.create(key, mine, request=Message(messages=text("odd")))
    check(said.events[1].content == ODD, "the same characters in a response")

    # An interrupt, while a stream is read.
    mine, began, seen = await session(), time.monotonic(), []
    async for frame in events.create_stream(key, mine, request=StreamedMessage(messages=text("slow"))):
        seen.append(frame.type)
        if frame.type == "streaming_agent_output" and seen.count(frame.type) == 2:
            await events.create(key, mine, request=Interrupt())
    check(time.monotonic() - began < 5, "an interrupt ends a stream at once")
    check(seen[-2:] == ["session_interrupted", "end"], f"an interrupted stream: {seen}")
    check(Model.hung_up.wait(5), "the model is hung up on")
    kept = await kinds(mine)
    check(sorted(kept) == ["agent_output", "input_message", "session_interrupted"], f"what is stored: {kept}")

    # An interrupt, while a call waits.
    mine, began = await session(), time.monotonic()
    call = asyncio.create_task(events.create(key, mine, request=Message(messages=text("slow"))))
    await asyncio.sleep(0.5)
    await events.create(key, mine, request=Interrupt())
    answer = await call
    check(time.monotonic() - began < 5, "an interrupt ends a call at once")
    check(answer.events[-1].type == "session_interrupted", f"an interrupted call: {[e.type for e in answer.events]}")
    after = await events.create(key, mine, request=Message(messages=text("and now?")))
    check(after.events[1].content == "Hello", "the conversation goes on after an interrupt")

    # A model that fails: the SDK sends the message again, and it is stored once.
    mine, before = await session(), len(Model.asked)
    try:
        await events.create(key, mine, request=Message(messages=text("fail")))
        sys.exit("vectara, models: a failing model should be an error")
    except ApiError as error:
        check(error.status_code == 502, f"a failing model is 502, not {error.status_code}")
    check(len(Model.asked) - before == 3, f"the SDK retries twice: {len(Model.asked) - before}")
    check(await kinds(mine) == ["input_message"], "a message that is retried is stored once")
    answer = await events.create(key, mine, request=Message(messages=text("hello")))
    check(answer.events[1].content == "Hello", "the conversation goes on after a failure")
    roles = [message["role"] for message in Model.asked[-1]]
    check(roles == ["user"], f"the model is sent alternating roles: {roles}")
    check(Model.asked[-1][0]["content"] == "fail\n\nhello", "and everything that the user said")
    server.shutdown()
    print(f"vectara with odd, slow and failing models: {checks} checks hold")


asyncio.run(main())

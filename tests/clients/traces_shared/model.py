"""A model that needs no network: what tests of frameworks talk to instead of OpenAI.

It speaks the parts of OpenAI's API that frameworks use, `POST /v1/chat/completions` and `POST /v1/responses`, streamed or
not. It knows one thing: the weather in the city that the last question of the user names. Where it is offered the tool
`weather` it calls that first, and where it is offered `final_answer` it replies through it. Prints its address and serves
until it is ended.
"""

import http.server
import json
import re
import uuid


def text_of(content):
    """The text of a message, however its content is written."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [])


def asked(turns):
    """Where the last question is that names a city, and the city."""
    for at in reversed(range(len(turns))):
        role, text = turns[at]
        if role == "user" and (cities := re.findall(r"in (\S+)\?", text)):
            return at, cities[-1]
    return 0, "nowhere"


def decide(turns, tools):
    """What the model does: a text, or a tool's name with its arguments. `turns` are pairs of a role and a text."""
    at, city = asked(turns)
    reply = f"It is 7 degrees in {city}."
    called = any("7 degrees in" in text for _, text in turns[at + 1 :])
    # Semantic Kernel puts the name of a plugin before that of a tool.
    weather = [tool for tool in tools if tool and tool.split("-")[-1] == "weather"]
    if weather and not called:
        return weather[0], {"city": city}
    if "final_answer" in tools:
        return "final_answer", {"answer": reply}
    if any("Final Answer:" in text for _, text in turns):
        return None, f"Thought: I now know the answer.\nFinal Answer: {reply}"
    return None, reply


def usage(turns, reply):
    words = sum(len(text.split()) for _, text in turns)
    return words, len(json.dumps(reply).split())


class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        make = responses if self.path.endswith("/responses") else completions
        whole, events = make(body)
        if body.get("stream"):
            self.reply("text/event-stream", "".join(events).encode())
        else:
            self.reply("application/json", json.dumps(whole).encode())

    def reply(self, kind, body):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def completions(body):
    """A reply of `/v1/chat/completions`, whole and as events."""
    turns = [(message["role"], text_of(message.get("content"))) for message in body["messages"]]
    tool, reply = decide(turns, {tool["function"]["name"] for tool in body.get("tools") or []})
    into, out = usage(turns, reply)
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": 1_700_000_000, "model": body["model"]}
    tokens = {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out}
    message = {"role": "assistant", "content": None if tool else reply}
    if tool:
        function = {"name": tool, "arguments": json.dumps(reply)}
        message["tool_calls"] = [{"id": f"call_{uuid.uuid4().hex[:8]}", "type": "function", "function": function}]
    reason = "tool_calls" if tool else "stop"
    whole = {**head, "object": "chat.completion", "usage": tokens,
             "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}]}
    calls = [{"index": at, **call} for at, call in enumerate(message.get("tool_calls", []))]
    delta = {**message, "tool_calls": calls} if tool else message
    chunk = {**head, "object": "chat.completion.chunk"}
    chunks = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]},
        {**chunk, "choices": [], "usage": tokens},
    ]
    return whole, [f"data: {json.dumps(part)}\n\n" for part in chunks] + ["data: [DONE]\n\n"]


def responses(body):
    """A reply of `/v1/responses`, whole and as events."""
    items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    turns = [("system", body.get("instructions") or "")]
    for item in items:
        if item.get("type") == "function_call_output":
            turns.append(("tool", text_of(item["output"])))
        elif "role" in item:
            turns.append((item["role"], text_of(item.get("content"))))
    tool, reply = decide(turns, {tool.get("name") for tool in body.get("tools") or []})
    into, out = usage(turns, reply)
    if tool:
        item = {"type": "function_call", "id": f"fc_{uuid.uuid4().hex}", "call_id": f"call_{uuid.uuid4().hex[:8]}",
                "name": tool, "arguments": json.dumps(reply), "status": "completed"}
    else:
        part = {"type": "output_text", "text": reply, "annotations": [], "logprobs": []}
        item = {"type": "message", "id": f"msg_{uuid.uuid4().hex}", "role": "assistant", "status": "completed",
                "content": [part]}
    whole = {
        "id": f"resp_{uuid.uuid4().hex}", "object": "response", "created_at": 1_700_000_000, "status": "completed",
        "model": body["model"], "output": [item], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "instructions": body.get("instructions"), "metadata": {}, "error": None, "incomplete_details": None,
        "temperature": 1.0, "top_p": 1.0,
        "usage": {"input_tokens": into, "output_tokens": out, "total_tokens": into + out,
                  "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
    }
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    at = {"output_index": 0, "item_id": item["id"]}
    events = [("response.created", {"response": begun})]
    if tool:
        events += [
            ("response.output_item.added", {"output_index": 0, "item": {**item, "arguments": "", "status": "in_progress"}}),
            ("response.function_call_arguments.delta", {**at, "delta": item["arguments"]}),
            ("response.function_call_arguments.done", {**at, "arguments": item["arguments"]}),
        ]
    else:
        events += [
            ("response.output_item.added", {"output_index": 0, "item": {**item, "content": [], "status": "in_progress"}}),
            ("response.output_text.delta", {**at, "content_index": 0, "delta": reply, "logprobs": []}),
            ("response.output_text.done", {**at, "content_index": 0, "text": reply, "logprobs": []}),
        ]
    events += [("response.output_item.done", {"output_index": 0, "item": item}), ("response.completed", {"response": whole})]
    named = [{"type": kind, "sequence_number": number, **event} for number, (kind, event) in enumerate(events)]
    return whole, [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in named]


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()

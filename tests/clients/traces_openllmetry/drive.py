"""OpenLLMetry: traceloop-sdk around OpenAI's client, with a workflow per request and association properties."""

import json
import os

from openai import OpenAI
from opentelemetry import trace
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import agent, tool
from conversations import INSTRUCTIONS, degrees, each

endpoint, headers = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], os.environ["OTEL_EXPORTER_OTLP_HEADERS"]
Traceloop.init(app_name="toy", api_endpoint=endpoint, headers=headers, telemetry_enabled=False)
client = OpenAI()
TOOL = {"type": "function", "function": {
    "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}


@tool(name="weather")
def weather(city: str):
    return degrees(city)


@agent(name="weather bot")
def ask(question: str):
    history.append({"role": "user", "content": question})
    while True:
        reply = client.chat.completions.create(model="m-1", messages=history, tools=[TOOL]).choices[0].message
        history.append(reply.model_dump(exclude_none=True))
        if not reply.tool_calls:
            return reply.content
        for call in reply.tool_calls:
            result = weather(**json.loads(call.function.arguments))
            history.append({"role": "tool", "tool_call_id": call.id, "content": result})


for session, user, questions in each():
    Traceloop.set_association_properties({"session_id": session, "user_id": user})
    history = [{"role": "system", "content": INSTRUCTIONS}]
    for question in questions:
        ask(question)
trace.get_tracer_provider().shutdown()

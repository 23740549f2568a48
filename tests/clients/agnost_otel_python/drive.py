"""Spans of agents and tools, exported by the OpenTelemetry SDK of Python: plain, packed, and 200 conversations."""

import uuid

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode
from dashboard import BASE_URL, ORG_ID, conversation, dashboard, same

run = uuid.uuid4().hex[:8]


def provider(compression):
    exporter = OTLPSpanExporter(f"{BASE_URL}/v1/traces", headers={"X-Agnost-Org-ID": ORG_ID}, compression=compression)
    provider = TracerProvider(resource=Resource.create({"service.name": "toy"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter


def talk(tracer, session):
    with tracer.start_as_current_span("invoke_agent", attributes={
        "agnost.session_id": session, "enduser.id": "ann", "gen_ai.agent.name": "support",
        "gen_ai.prompt": "Where is my order?", "gen_ai.completion": "On its way. 🚚",
    }):
        with tracer.start_as_current_span("chat m-1", attributes={"gen_ai.usage.input_tokens": 17}):
            with tracer.start_as_current_span("tool.search", attributes={"input": '{"q": "order"}'}) as tool:
                tool.set_status(Status(StatusCode.ERROR, "no such order"))


for compression in (Compression.NoCompression, Compression.Gzip):
    made, _ = provider(compression)
    session = f"otel-{run}-{compression.value}"
    talk(made.get_tracer("toy"), session)
    made.shutdown()
    found = conversation(session, 3)
    same("the user", (found["user_id"], found["client_config"]), ("ann", "toy"))
    turn, chat, tool = found["messages"]
    same("the turn", (turn["kind"], turn["primitive_name"], turn["input"], turn["output"]),
         ("turn", "support", "Where is my order?", "On its way. 🚚"))
    same("the model call", (chat["kind"], chat["metadata"]), ("span", {"gen_ai.usage.input_tokens": 17}))
    same("the tool", (tool["kind"], tool["primitive_name"], tool["input"], tool["output"], tool["success"]),
         ("tool", "search", '{"q": "order"}', "no such order", False))
    spans = dashboard("conversation-spans", {"conversation_id": session})["spans"]
    same("who called whom", [span["depth"] for span in spans], [0, 1, 2])

# An export whose answer was lost is sent again.
made, exporter = provider(Compression.Gzip)
seen = []
export = exporter.export
exporter.export = lambda spans: (seen.extend(spans), export(spans))[1]
for number in range(200):
    talk(made.get_tracer("toy"), f"otel-{run}-{number}")
made.force_flush()
same("what was exported", len(seen), 600)
export(seen)
made.shutdown()
for number in range(200):
    conversation(f"otel-{run}-{number}", 3)
print("OpenTelemetry (Python): 606 spans arrived once and read as they were made")

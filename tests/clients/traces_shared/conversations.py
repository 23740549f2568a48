"""What a driver holds with its agent: the conversations that `two_users.py` chose."""

import json
import os

CONVERSATIONS = json.loads(os.environ["CONVERSATIONS"])
MODEL_URL = os.environ["OPENAI_BASE_URL"]
INSTRUCTIONS = "You are a weather bot. Be brief."


def each():
    """Yields every conversation's session, user and questions, one user after the other."""
    for conversation in CONVERSATIONS:
        yield conversation["session"], conversation["user"], conversation["questions"]


def degrees(city):
    """What the agent's tool returns."""
    return f"7 degrees in {city}"


def provider():
    """A provider of OpenTelemetry that exports to the service, as the environment says, and is the global one."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    made = TracerProvider()
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(made)
    return made

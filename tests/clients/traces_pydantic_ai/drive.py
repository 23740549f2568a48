"""Pydantic AI with Logfire, which exports to this service alone."""

import logfire
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from conversations import INSTRUCTIONS, degrees, each

# Logfire scrubs what is called `session`, unless it is told not to.
logfire.configure(send_to_logfire=False, console=False, scrubbing=False,
                  additional_span_processors=[BatchSpanProcessor(OTLPSpanExporter())])
logfire.instrument_pydantic_ai()
agent = Agent(OpenAIChatModel("m-1"), name="weather bot", instructions=INSTRUCTIONS)


@agent.tool_plain
def weather(city: str) -> str:
    return degrees(city)


for session, user, questions in each():
    history = []
    for question in questions:
        with logfire.set_baggage(**{"session.id": session, "user.id": user}), logfire.span("POST /chat"):
            history = agent.run_sync(question, message_history=history).all_messages()
logfire.shutdown()

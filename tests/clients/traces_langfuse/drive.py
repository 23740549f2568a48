"""Langfuse: @observe and its wrapper of OpenAI's client, exported by OpenTelemetry to this service."""

from langfuse import Langfuse, observe, propagate_attributes
from langfuse.openai import OpenAI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from conversations import INSTRUCTIONS, each

langfuse = Langfuse(public_key="pk", secret_key="sk", span_exporter=OTLPSpanExporter())
client = OpenAI()


@observe(name="weather bot", as_type="agent")
def ask(question: str):
    history.append({"role": "user", "content": question})
    reply = client.chat.completions.create(model="m-1", messages=history).choices[0].message.content
    history.append({"role": "assistant", "content": reply})
    return reply


for session, user, questions in each():
    history = [{"role": "system", "content": INSTRUCTIONS}]
    for question in questions:
        with propagate_attributes(session_id=session, user_id=user):
            ask(question)
langfuse.shutdown()

"""LiteLLM with its own OpenTelemetry callback, below the application's span of the request, which names the session."""

import os

# Prices are of no interest, and come from elsewhere.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from litellm.integrations.opentelemetry import OpenTelemetry
from litellm.litellm_core_utils.thread_pool_executor import executor
from opentelemetry import trace
from conversations import INSTRUCTIONS, MODEL_URL, each

os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "otlp_http"
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] += "/v1/traces"
litellm.callbacks = [OpenTelemetry()]

for session, user, questions in each():
    history = [{"role": "system", "content": INSTRUCTIONS}]
    for question in questions:
        history.append({"role": "user", "content": question})
        attributes = {"session.id": session, "user.id": user}
        with trace.get_tracer("toy").start_as_current_span("POST /chat", attributes=attributes):
            reply = litellm.completion(model="openai/m-1", api_base=MODEL_URL, messages=history, user=user)
        history.append({"role": "assistant", "content": reply.choices[0].message.content})
executor.shutdown(wait=True)
trace.get_tracer_provider().shutdown()

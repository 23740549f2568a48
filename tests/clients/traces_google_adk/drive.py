"""Google's Agent Development Kit with its own telemetry; the model is behind LiteLLM. The kit names the session, and the
application's own span of the request the user."""

import asyncio
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from google.adk.agents import LlmAgent
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.genai.types import Content, Part
from google.adk.telemetry.setup import maybe_set_otel_providers
from opentelemetry import trace
from opentelemetry._logs import get_logger_provider
from conversations import INSTRUCTIONS, MODEL_URL, degrees, each

maybe_set_otel_providers()


def weather(city: str) -> str:
    """Returns the weather in a city."""
    return degrees(city)


async def hold():
    model = LiteLlm(model="openai/m-1", api_base=MODEL_URL)
    agent = LlmAgent(name="weather_bot", model=model, instruction=INSTRUCTIONS, tools=[weather])
    store = InMemorySessionService()
    runner = Runner(app_name="toy", agent=agent, session_service=store)
    for session, user, questions in each():
        await store.create_session(app_name="toy", user_id=user, session_id=session)
        for question in questions:
            message = Content(role="user", parts=[Part(text=question)])
            with trace.get_tracer("toy").start_as_current_span("POST /chat", attributes={"user.id": user}):
                async for _ in runner.run_async(user_id=user, session_id=session, new_message=message):
                    pass


asyncio.run(hold())
trace.get_tracer_provider().shutdown()
get_logger_provider().shutdown()

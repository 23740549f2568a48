"""Strands Agents with its own telemetry, in the mode that the environment selects."""

from strands import Agent, tool
from strands.models.openai import OpenAIModel
from strands.telemetry import StrandsTelemetry
from conversations import INSTRUCTIONS, MODEL_URL, degrees, each

telemetry = StrandsTelemetry().setup_otlp_exporter()


@tool
def weather(city: str) -> str:
    """Returns the weather in a city."""
    return degrees(city)


for session, user, questions in each():
    model = OpenAIModel(client_args={"base_url": MODEL_URL}, model_id="m-1")
    agent = Agent(name="weather bot", model=model, system_prompt=INSTRUCTIONS, tools=[weather], callback_handler=None,
                  trace_attributes={"session.id": session, "user.id": user})
    for question in questions:
        agent(question)
telemetry.tracer_provider.shutdown()

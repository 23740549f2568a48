"""smolagents, instrumented by OpenInference."""

from openinference.instrumentation import using_attributes
from openinference.instrumentation.smolagents import SmolagentsInstrumentor
from smolagents import OpenAIModel, ToolCallingAgent, tool
from conversations import MODEL_URL, degrees, each, provider

made = provider()
SmolagentsInstrumentor().instrument(tracer_provider=made)


@tool
def weather(city: str) -> str:
    """Returns the weather in a city.

    Args:
        city: The city.
    """
    return degrees(city)


for session, user, questions in each():
    model = OpenAIModel("m-1", api_base=MODEL_URL, api_key="none")
    agent = ToolCallingAgent([weather], model, name="weather_bot", verbosity_level=0)
    for question in questions:
        with using_attributes(session_id=session, user_id=user):
            agent.run(question, reset=False)
made.shutdown()

"""OpenAI Agents SDK, instrumented by OpenInference."""

import asyncio

from agents import Agent, Runner, function_tool
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from conversations import INSTRUCTIONS, degrees, each, provider

made = provider()
OpenAIAgentsInstrumentor().instrument(tracer_provider=made)


@function_tool
def weather(city: str) -> str:
    """Returns the weather in a city."""
    return degrees(city)


async def hold():
    agent = Agent(name="weather bot", instructions=INSTRUCTIONS, tools=[weather], model="m-1")
    for session, user, questions in each():
        history = []
        for question in questions:
            history.append({"role": "user", "content": question})
            with using_attributes(session_id=session, user_id=user):
                history = (await Runner.run(agent, history)).to_input_list()


asyncio.run(hold())
made.shutdown()

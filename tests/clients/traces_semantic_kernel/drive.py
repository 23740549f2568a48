"""Semantic Kernel with its own telemetry: an agent with a function."""

import asyncio

from openai import AsyncOpenAI
from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.functions import kernel_function
from conversations import INSTRUCTIONS, MODEL_URL, degrees, each, provider

made = provider()
tracer = made.get_tracer("toy")


class Weather:
    @kernel_function(name="weather", description="Returns the weather in a city.")
    def weather(self, city: str) -> str:
        return degrees(city)


async def main():
    for session, user, questions in each():
        service = OpenAIChatCompletion("m-1", async_client=AsyncOpenAI(base_url=MODEL_URL))
        agent = ChatCompletionAgent(service=service, name="weather_bot", instructions=INSTRUCTIONS, plugins=[Weather()])
        thread = None
        for question in questions:
            with tracer.start_as_current_span("chat", attributes={"session.id": session, "user.id": user}):
                response = await agent.get_response(question, thread=thread)
            thread = response.thread


asyncio.run(main())
made.shutdown()

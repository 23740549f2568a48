"""LangChain's agent on LangGraph, traced by LangSmith in its OpenTelemetry mode."""

import os

os.environ |= {"LANGSMITH_TRACING": "true", "LANGSMITH_OTEL_ENABLED": "true", "LANGSMITH_OTEL_ONLY": "true"}

from langchain.agents import create_agent
from langchain_core.tracers.langchain import wait_for_all_tracers
from langchain_openai import ChatOpenAI
from conversations import INSTRUCTIONS, degrees, each, provider

made = provider()


def weather(city: str) -> str:
    """Returns the weather in a city."""
    return degrees(city)


agent = create_agent(ChatOpenAI(model="m-1"), tools=[weather], system_prompt=INSTRUCTIONS, name="weather bot")
for session, user, questions in each():
    history = []
    for question in questions:
        history.append({"role": "user", "content": question})
        metadata = {"session_id": session, "user_id": user}
        history = agent.invoke({"messages": history}, {"metadata": metadata})["messages"]
wait_for_all_tracers()
made.shutdown()

"""LangChain's agent on LangGraph, instrumented by OpenInference."""

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.langchain import LangChainInstrumentor
from conversations import INSTRUCTIONS, degrees, each, provider

made = provider()
LangChainInstrumentor().instrument(tracer_provider=made)


def weather(city: str) -> str:
    """Returns the weather in a city."""
    return degrees(city)


agent = create_agent(ChatOpenAI(model="m-1"), tools=[weather], system_prompt=INSTRUCTIONS, name="weather bot")
for session, user, questions in each():
    history = []
    for question in questions:
        history.append({"role": "user", "content": question})
        with using_attributes(session_id=session, user_id=user):
            history = agent.invoke({"messages": history})["messages"]
made.shutdown()

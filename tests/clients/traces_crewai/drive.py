"""CrewAI, instrumented by OpenInference: a crew of one agent with a tool."""

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from openinference.instrumentation import using_attributes
from openinference.instrumentation.crewai import CrewAIInstrumentor
from conversations import INSTRUCTIONS, MODEL_URL, degrees, each, provider

made = provider()
CrewAIInstrumentor().instrument(tracer_provider=made)


@tool("weather")
def weather(city: str) -> str:
    """Returns the weather in a city."""
    return degrees(city)


for session, user, questions in each():
    model = LLM(model="openai/m-1", base_url=MODEL_URL, api_key="none")
    agent = Agent(role="weather bot", goal="Tell the weather.", backstory=INSTRUCTIONS, tools=[weather], llm=model)
    task = Task(description="{question}", expected_output="One sentence.", agent=agent)
    for question in questions:
        with using_attributes(session_id=session, user_id=user):
            Crew(agents=[agent], tasks=[task]).kickoff(inputs={"question": question})
made.shutdown()

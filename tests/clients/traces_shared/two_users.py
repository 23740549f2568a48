"""Runs a program that holds the conversations of two users with an agent, traced by a framework, and checks that the
dashboard shows them as they were: each user's session, with two turns, what was asked and what was replied.

    two_users.py [--agent NAME] -- PROGRAM …

The program gets the conversations in `CONVERSATIONS`, as JSON. `--agent` is the name that the dashboard has to show for
each turn.
"""

import argparse
import json
import os
import subprocess
import time
import uuid

from dashboard import BASE_URL, ORG_ID, dashboard

SETTLED = 15


def sessions():
    found = dashboard("user-stories", {"time_range": "1h", "page_size": 1000})
    return {story["session_id"] for story in found["user_stories"]}


def read(session):
    """The user of a session and its turns; None for a session that does not exist."""
    found = dashboard("conversation-messages", {"conversation_id": session})
    if not found:
        return None
    turns = [turn for turn in found["messages"] if turn["kind"] == "turn"]
    return {
        "user": found.get("user_id"),
        "turns": [(turn["input"].strip(), turn["output"].strip()) for turn in turns],
        "agents": sorted({turn["primitive_name"] for turn in turns}),
        "failed": [message["primitive_name"] for message in found["messages"] if not message["success"]],
    }


def expected(conversation, arguments):
    def reply(question):
        return f"It is 7 degrees in {question.split('in ')[1].rstrip('?')}."

    return {
        "user": conversation["user"],
        "turns": [(question, reply(question)) for question in conversation["questions"]],
        "agents": [arguments.agent] if arguments.agent else None,
        "failed": [],
    }


def same(found, wanted):
    return found is not None and all(value is None or found[name] == value for name, value in wanted.items())


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--agent")
    options.add_argument("program", nargs="+")
    arguments = options.parse_args()

    run = uuid.uuid4().hex[:8]
    conversations = [
        {"session": f"{run}-of-ann", "user": "ann", "questions": ["Weather in Oslo?", "And in Bergen?"]},
        {"session": f"{run}-of-bob", "user": "bob", "questions": ["Weather in Tromsø?", "And in 東京?"]},
    ]
    before = sessions()
    environment = {
        **os.environ,
        "CONVERSATIONS": json.dumps(conversations),
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": os.environ["MODEL_URL"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": BASE_URL,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-agnost-org-id={ORG_ID}",
        "OTEL_SERVICE_NAME": "toy",
        # What frameworks report to their makers.
        "DO_NOT_TRACK": "1",
        "MASTRA_TELEMETRY_DISABLED": "1",
    }
    subprocess.run(arguments.program, env=environment, check=True)

    deadline = time.monotonic() + SETTLED
    wrong = []
    while True:
        made = sorted(sessions() - before)
        wrong = [
            f"{conversation['session']} reads as\n    {found}\n  instead of\n    {wanted}"
            for conversation in conversations
            for found, wanted in [(read(conversation["session"]), expected(conversation, arguments))]
            if not same(found, wanted)
        ]
        if others := sorted(set(made) - {conversation["session"] for conversation in conversations}):
            wrong.append(f"other conversations appeared: {[(session, read(session)) for session in others]}")
        if not wrong or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    if wrong:
        raise SystemExit("\n".join(wrong))


main()

"""What a user of the SDK relies on: agents, sessions, events in both forms, forks, errors, both clients, both
credentials. Every check names what was expected; the first that does not hold ends the run."""

import asyncio
import json
import os
import re
import sys
import urllib.request
import uuid

BASE = os.environ["BASE_URL"].rstrip("/")
KEY = os.environ["API_KEY"]
# The SDK reads this when it is imported, and would send it beside a token.
os.environ.pop("VECTARA_API_KEY", None)

import vectara
from vectara import AsyncVectara, Vectara
from vectara.agent_events.types import (
    CreateAgentEventsRequestBody_Compact,
    CreateAgentEventsRequestBody_InputMessage,
    CreateAgentEventsRequestBody_Interrupt,
    CreateAgentEventsStreamRequestBody_InputMessage,
)
from vectara.agent_sessions.types import CreateAgentSessionRequestFromSession
from vectara.core.api_error import ApiError
from vectara.environment import VectaraEnvironment
from vectara.errors import BadRequestError, ForbiddenError, NotFoundError
from vectara.types import AgentModel, AgentOutputParser_Default, FirstAgentStep, UpdateFirstAgentStep

ENVIRONMENT = VectaraEnvironment(default=BASE, auth=BASE)
NOW = {"max_retries": 0}
checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"vectara {vectara.__version__ if hasattr(vectara, '__version__') else ''}: does not hold: {what}")


def refused(kind, what, call, status=None):
    try:
        call()
    except kind as error:
        check(type(error) is kind, f"{what} is {kind.__name__}, not {type(error).__name__}")
        check(status is None or error.status_code == status, f"{what} is {status}, not {error.status_code}")
        body = error.body if isinstance(error.body, dict) else error.body.dict()
        check(isinstance(body["messages"], list) and body["messages"], f"{what} has messages")
        return body
    except Exception as error:  # noqa: BLE001
        sys.exit(f"{what} should be {kind.__name__}, and is {error!r}")
    sys.exit(f"{what} should be {kind.__name__}, and succeeded")


def text(content):
    return [{"type": "text", "content": content}]


def first_step():
    return FirstAgentStep(name="main", instructions=[], output_parser=AgentOutputParser_Default())


def name():
    return f"Client Check {uuid.uuid4().hex[:8]}"


def drive(client, how):
    agent = client.agents.create(
        name=name(),
        description="made by the SDK",
        tool_configurations={},
        model=AgentModel(name="gpt-4o", parameters={"temperature": 0.2}),
        first_step=first_step(),
        metadata={"team": "support", "tier": 2},
    )
    check(re.fullmatch(r"agt_client_check_[0-9a-f]{8}_[0-9a-f]{4}", agent.key), f"{how}: an agent's made-up key: {agent.key}")
    check(agent.enabled and agent.first_step.name == "main", f"{how}: an agent is enabled and keeps its first step")
    check(agent.model.parameters == {"temperature": 0.2}, f"{how}: an agent keeps its model")
    check(client.agents.get(agent.key) == agent, f"{how}: an agent reads as it was made")

    # Agents made elsewhere have all that the SDK's models insist on.
    listed = list(client.agents.list(limit=2))
    check(any(a.key == agent.key for a in listed), f"{how}: an agent is listed")
    check(any(a.key == "customer_support" for a in listed), f"{how}: the demo's agent is listed, page by page")
    found = list(client.agents.list(filter=f"^{re.escape(agent.name)}$"))
    check([a.key for a in found] == [agent.key], f"{how}: agents are filtered by their names")

    patched = client.agents.update(agent.key, description="changed", metadata={"tier": 3})
    check(patched.description == "changed", f"{how}: a description changes")
    check(patched.metadata == {"team": "support", "tier": 3}, f"{how}: metadata is merged: {patched.metadata}")
    stepped = client.agents.update(agent.key, first_step=UpdateFirstAgentStep(name="start"))
    check(stepped.first_step.name == "start" and stepped.first_step.output_parser.type == "default", f"{how}: a step is merged")
    replaced = client.agents.replace(
        agent.key, name=agent.name, tool_configurations={}, model=AgentModel(name="m"), first_step=first_step()
    )
    check(replaced.description is None and not replaced.metadata, f"{how}: a replaced agent forgets")
    identity = client.agents.get_identity(agent.key)
    check(identity.mode == "auto" and identity.api_roles == [], f"{how}: an identity")
    check(client.agents.update_identity(agent.key, mode="manual").mode == "manual", f"{how}: an identity changes")

    sessions = client.agent_sessions
    session = sessions.create(agent.key, name="Tool Demo Session", metadata={"customer": {"tier": 2}, "tags": ["a", 1]})
    check(re.fullmatch(r"ase_tool_demo_session_[0-9a-f]{4}", session.key), f"{how}: a session's made-up key: {session.key}")
    check(sessions.create(agent.key).name, f"{how}: a session may be made of nothing")
    check(sessions.get(agent.key, session.key) == session, f"{how}: a session reads as it was made")
    own = sessions.create(agent.key, key="mine", name="Größe 客户 😀", tti_minutes=5)
    check((own.key, own.name, own.tti_minutes) == ("mine", "Größe 客户 😀", 5), f"{how}: own key, name and time")
    refused(ApiError, f"{how}: a key twice", lambda: sessions.create(agent.key, key="mine", request_options=NOW), 409)
    refused(BadRequestError, f"{how}: a bad key", lambda: sessions.create(agent.key, key="a b"), 400)
    sessions.delete(agent.key, "mine")
    refused(NotFoundError, f"{how}: a deleted session", lambda: sessions.get(agent.key, "mine"), 404)
    check(sessions.create(agent.key, key="mine").key == "mine", f"{how}: a deleted session's key is free")
    pages = [s.key for s in sessions.list(agent.key, limit=1)]
    check(len(pages) == 3 and len(set(pages)) == 3, f"{how}: sessions are paged one by one: {pages}")
    tiered = sessions.list(
        agent.key,
        request_options={"additional_query_parameters": {"metadata_filter": "customer.tier >= 2 AND 'a' IN tags"}},
    )
    check([s.key for s in tiered] == [session.key], f"{how}: sessions are filtered by their metadata")
    named = list(sessions.list(agent.key, filter="Demo.*"))
    check([s.key for s in named] == [session.key], f"{how}: sessions are filtered by their names")
    renamed = sessions.update(agent.key, session.key, name="Renamed", metadata={"only": True})
    check((renamed.name, renamed.metadata) == ("Renamed", {"only": True}), f"{how}: a session changes")

    events = client.agent_events
    said = events.create(
        agent.key, session.key, request=CreateAgentEventsRequestBody_InputMessage(messages=text("Hello there"))
    )
    check([e.type for e in said.events] == ["input_message", "agent_output"], f"{how}: a message is answered: {said}")
    check("Hello there" in said.events[1].content, f"{how}: the echo answers")
    with_stream = events.create_stream(
        agent.key, session.key, request=CreateAgentEventsStreamRequestBody_InputMessage(messages=text("And again"))
    )
    frames = list(with_stream)
    kinds = [f.type for f in frames]
    check(kinds[0] == "input_message" and kinds[-2:] == ["streaming_agent_output_end", "end"], f"{how}: a stream: {kinds}")
    streamed = "".join(f.content for f in frames if f.type == "streaming_agent_output")
    check("And again" in streamed, f"{how}: what was streamed: {streamed}")

    listed = list(events.list(agent.key, session.key, limit=3))
    check(
        [e.type for e in listed] == ["input_message", "agent_output"] * 2, f"{how}: events in their order: {listed}"
    )
    check(events.get(agent.key, session.key, listed[1].id).content == said.events[1].content, f"{how}: an event")
    events.hide(agent.key, session.key, listed[0].id)
    check(len(list(events.list(agent.key, session.key))) == 3, f"{how}: a hidden event is not listed")
    check(len(list(events.list(agent.key, session.key, include_hidden=True))) == 4, f"{how}: unless asked for")
    events.unhide(agent.key, session.key, listed[0].id)
    check(len(list(events.list(agent.key, session.key))) == 4, f"{how}: an event is shown again")

    fork = sessions.create(
        agent.key,
        from_session=CreateAgentSessionRequestFromSession(
            session_key=session.key, include_up_to_event_id=listed[1].id
        ),
    )
    copied = list(events.list(agent.key, fork.key))
    check([e.type for e in copied] == ["input_message", "agent_output"], f"{how}: a fork up to an event")
    check(copied[0].id != listed[0].id and copied[0].session_key == fork.key, f"{how}: a fork has events of its own")
    squeezed = sessions.create(
        agent.key,
        from_session=CreateAgentSessionRequestFromSession(
            session_key=session.key, compact_up_to_event_id=listed[1].id
        ),
    )
    kinds = [e.type for e in events.list(agent.key, squeezed.key)]
    check(kinds == ["compaction", "input_message", "agent_output"], f"{how}: a compacted fork: {kinds}")
    refused(
        BadRequestError,
        f"{how}: a fork with both ids",
        lambda: sessions.create(
            agent.key,
            from_session=CreateAgentSessionRequestFromSession(
                session_key=session.key, include_up_to_event_id="a", compact_up_to_event_id="b"
            ),
        ),
        400,
    )
    refused(
        NotFoundError,
        f"{how}: a fork of nothing",
        lambda: sessions.create(agent.key, from_session=CreateAgentSessionRequestFromSession(session_key="nothing")),
        404,
    )

    compacted = events.create(agent.key, session.key, request=CreateAgentEventsRequestBody_Compact())
    check([e.type for e in compacted.events] == ["compaction"], f"{how}: a compaction")
    check(compacted.events[0].turns_compacted == 1, f"{how}: one turn was compacted")
    check(len(list(events.list(agent.key, session.key))) == 3, f"{how}: what was compacted is hidden")
    refused(
        vectara.errors.UnprocessableEntityError,
        f"{how}: too few turns",
        lambda: events.create(agent.key, session.key, request=CreateAgentEventsRequestBody_Compact()),
        422,
    )
    interrupted = events.create(agent.key, session.key, request=CreateAgentEventsRequestBody_Interrupt())
    check(interrupted.events[0].type == "session_interrupted", f"{how}: an interrupt")
    events.delete(agent.key, session.key, listed[2].id)
    refused(NotFoundError, f"{how}: a deleted event", lambda: events.get(agent.key, session.key, listed[2].id), 404)

    sessions.update(agent.key, session.key, enabled=False)
    refused(
        vectara.errors.ConflictError,
        f"{how}: a message to a disabled session",
        lambda: events.create(
            agent.key,
            session.key,
            request=CreateAgentEventsRequestBody_InputMessage(messages=text("x")),
            request_options=NOW,
        ),
        409,
    )
    client.agents.update(agent.key, enabled=False)
    body = refused(ForbiddenError, f"{how}: a session with a disabled agent", lambda: sessions.create(agent.key), 403)
    check(body["request_id"], f"{how}: an error has its request id")
    refused(BadRequestError, f"{how}: a nameless agent", lambda: client.agents.create(
        name="", tool_configurations={}, model=AgentModel(name="m"), first_step=first_step()), 400)
    client.agents.delete(agent.key)
    refused(NotFoundError, f"{how}: a deleted agent", lambda: client.agents.get(agent.key), 404)
    refused(NotFoundError, f"{how}: a session of a deleted agent", lambda: sessions.get(agent.key, session.key), 404)


async def drive_async(client, how):
    agent = await client.agents.create(
        name=name(), tool_configurations={}, model=AgentModel(name="m"), first_step=first_step()
    )
    sessions = client.agent_sessions
    session = await sessions.create(agent.key, name="Async", metadata={"a": 1})
    check((await sessions.get(agent.key, session.key)) == session, f"{how}: a session reads as it was made")
    said = await client.agent_events.create(
        agent.key, session.key, request=CreateAgentEventsRequestBody_InputMessage(messages=text("Hello"))
    )
    check([e.type for e in said.events] == ["input_message", "agent_output"], f"{how}: a message is answered")
    kinds = []
    async for frame in client.agent_events.create_stream(
        agent.key, session.key, request=CreateAgentEventsStreamRequestBody_InputMessage(messages=text("Again"))
    ):
        kinds.append(frame.type)
    check(kinds[0] == "input_message" and kinds[-1] == "end", f"{how}: a stream: {kinds}")
    listed = [event async for event in await client.agent_events.list(agent.key, session.key, limit=1)]
    check(len(listed) == 4, f"{how}: events are paged one by one")
    fork = await sessions.create(agent.key, from_session=CreateAgentSessionRequestFromSession(session_key=session.key))
    check(len([e async for e in await client.agent_events.list(agent.key, fork.key)]) == 4, f"{how}: a fork")
    try:
        await sessions.get(agent.key, "nothing")
        sys.exit(f"{how}: an unknown session was found")
    except NotFoundError as error:
        check(error.status_code == 404, f"{how}: an unknown session is 404")
    await client.agents.delete(agent.key)


def client_id():
    """The key's id: the public half of the pair, which the command line tells when a key is made."""
    given = os.environ.get("API_KEY_ID")
    if given:
        return given
    demo = json.load(open(os.environ["DEMO_JSON"]))
    return demo.get("key_id")


def refused_tokens(identity):
    def post(path, body, kind):
        request = urllib.request.Request(BASE + path, body.encode(), {"content-type": kind})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    pair = {"client_id": identity, "client_secret": KEY, "grant_type": "client_credentials"}
    for path in ["/oauth2/token", "/oauth/token"]:
        status, body = post(path, json.dumps(pair), "application/json")
        check(status == 200 and body["expires_in"] == 1800, f"{path}: a token for JSON: {status}")
        status, body = post(path, json.dumps({**pair, "client_secret": KEY[:-1]}), "application/json")
        check(status == 401 and body["error"] == "invalid_client", f"{path}: a wrong secret is 401")


drive(Vectara(api_key=KEY, environment=ENVIRONMENT), "sync, API key")
asyncio.run(drive_async(AsyncVectara(api_key=KEY, environment=ENVIRONMENT), "async, API key"))
identity = client_id()
check(identity, "the key's id is known: API_KEY_ID, or key_id in demo.json")
refused_tokens(identity)
drive(Vectara(client_id=identity, client_secret=KEY, environment=ENVIRONMENT), "sync, client credentials")
asyncio.run(
    drive_async(AsyncVectara(client_id=identity, client_secret=KEY, environment=ENVIRONMENT), "async, client credentials")
)
wrong = Vectara(client_id=identity, client_secret=KEY[:-1], environment=ENVIRONMENT)
refused(ApiError, "a wrong client secret", lambda: wrong.agents.get("customer_support", request_options=NOW), 401)
print(f"vectara 0.4.3: {checks} checks hold")

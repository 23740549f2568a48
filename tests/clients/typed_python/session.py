"""A session in every dialect, through generated clients: requests are built by generated models, and responses parse
into them."""

import importlib
import json
import os
import pkgutil
import sys
import uuid

BASE, KEY, ORG = os.environ["BASE_URL"], os.environ["API_KEY"], os.environ["ORG_ID"]
TEXT = "Where is my order?"


class Generated:
    """One generated package: its operations by id, and its models by name."""

    def __init__(self, dialect, headers):
        self.package = f"{dialect}_client"
        modules = pkgutil.walk_packages(importlib.import_module(self.package).__path__, f"{self.package}.")
        names = [module.name for module in modules]
        for name in names:
            importlib.import_module(name)
        self.operations = {name.rsplit(".", 1)[1]: sys.modules[name] for name in names if ".api." in name}
        self.models = importlib.import_module(f"{self.package}.models")
        self.client = importlib.import_module(self.package).Client(base_url=BASE, headers=headers)

    def call(self, operation, *path, **arguments):
        """Calls an operation and returns the model that its response was parsed into."""
        return self.send(operation, *path, **arguments).parsed

    def send(self, operation, *path, status, returns=None, body=None, **arguments):
        """Calls an operation and returns its response."""
        if body is not None:
            model, members = body
            arguments["body"] = getattr(self.models, model).from_dict(members)
        response = self.operations[operation].sync_detailed(*path, client=self.client, **arguments)
        if response.status_code != status:
            sys.exit(f"{self.package}: {operation} is {response.status_code}: {response.content!r}")
        if returns is not None and type(response.parsed).__name__ != returns:
            sys.exit(f"{self.package}: {operation} was parsed into {type(response.parsed).__name__}")
        return response


def agnost():
    captures = Generated("agnost", {"x-org-id": ORG})
    session_id, event_id = str(uuid.uuid4()), str(uuid.uuid4())
    session = {"session_id": session_id, "user_data": {"user_id": "user_42"}, "metadata": {"plan": "pro"}}
    captures.call("capture_session", status=200, body=("CaptureSession", session))
    event = {
        "event_id": event_id,
        "session_id": session_id,
        "primitive_name": "search",
        "args": TEXT,
        "result": "On its way.",
        "latency": 120,
    }
    captured = captures.call("capture_event", status=200, returns="CapturedEventId", body=("CaptureEvent", event))
    assert captured.event_id == event_id
    dashboard = Generated("agnost", {"x-api-key": KEY})
    assert dashboard.call("not_here_get_sops", status=501, returns="Envelope").error


def agntix():
    api = Generated("agntix", {"x-api-key": KEY})
    agent = api.call("list_agents", status=200, returns="AgentList").data[0]
    body = {"agentId": str(agent.id), "metadata": {"plan": "pro"}}
    session = api.call("create_session", status=201, returns="ChatSession", body=("CreateSession", body))
    assert session.metadata.to_dict() == {"plan": "pro"}
    assert api.call("get_session", session.id, status=200, returns="ChatSession").id == session.id
    closed = api.call("close_session", session.id, status=200, returns="ChatSession", body=("CloseSession", {}))
    assert closed.state == "CLOSED"
    message = {"content": TEXT, "stream": False}
    late = api.call("send_message", session.id, status=400, returns="Envelope", body=("SendMessage", message))
    assert late.error.code == "INVALID_SESSION"


def agent_key():
    api = Generated("agent_key", {"x-api-key": KEY})
    body = {"name": f"Generated {uuid.uuid4()}", "metadata": {"channel": "web"}}
    path = ["customer_support"]
    session = api.call("create_session", *path, status=201, returns="AgentSession", body=("CreateSession", body))
    path.append(session.key)
    assert api.call("get_session", *path, status=200, returns="AgentSession").metadata.to_dict() == {"channel": "web"}
    message = {"messages": [{"type": "text", "content": TEXT}]}
    reply = api.call("create_event", *path, status=201, returns="AgentResponse", body=("CreateEvent", message))
    assert reply.session_key == session.key and reply.events
    assert len(api.call("get_agent", "nobody", status=404, returns="Envelope").messages) == 1


def messaging():
    api = Generated("messaging", {"x-api-key": KEY})
    agent = api.call("list_agents", status=200, returns="AgentList").data.agents[0]
    body = {"agentId": str(agent.id), "userId": str(uuid.uuid4()), "metadata": {"platform": "web"}}
    session = api.call("create_session", status=201, returns="CreatedSession", body=("CreateSession", body))
    api.call("send_message", session.session_id, status=201, returns="SentTwice", body=("SendMessage", {"content": TEXT}))
    history = api.call("get_messages", session.session_id, status=200, returns="Messages")
    assert any(message.content == TEXT for message in history.messages)
    api.call("delete_session", session.session_id, status=200)


def integer_id():
    api = Generated("integer_id", {"x-api-key": KEY})
    agent = api.call("list_agents", status=200, returns="AgentList").agents[0]
    body = {"agent_id": agent.agent_id, "metadata": {"source": "web"}}
    session = api.call("create_session", status=201, returns="Started", body=("CreateSession", body)).session
    sent = api.call("send_message", session.session_id, status=201, returns="Sent", body=("SendMessage", {"content": TEXT}))
    assert sent.message.content == TEXT
    api.call("end_session", session.session_id, status=200, body=("EndSession", {}))
    assert api.call("create_session", status=404, returns="Envelope", body=("CreateSession", {"agent_id": -1})).error


def sessionary():
    """The own API over the sessions that the dialects have created."""
    api = Generated("sessionary", {"x-api-key": KEY})
    assert api.call("get_version", status=200, returns="Version").api == "v1"
    me = api.call("get_me", status=200, returns="Me")
    assert str(me.organization.id) == ORG and me.credential.kind == "api_key" and "export" in me.scopes

    # That of the dialect's own run is deleted.
    vendor = Generated("messaging", {"x-api-key": KEY})
    agent = vendor.call("list_agents", status=200, returns="AgentList").data.agents[0]
    body = {"agentId": str(agent.id), "userId": str(uuid.uuid4())}
    vendor.call("create_session", status=201, returns="CreatedSession", body=("CreateSession", body))

    listed = api.call("list_sessions", status=200, returns="PageSession", limit=100)
    sessions = {session.dialect: session for session in reversed(listed.data)}
    assert set(sessions) == {"agnost", "agntix", "agent_key", "messaging", "integer_id"}, set(sessions)
    first = api.call("list_sessions", status=200, returns="PageSession", limit=1, dialect=["agent_key", "agntix"])
    assert first.data[0].dialect in ("agent_key", "agntix") and first.next_cursor
    second = api.call(
        "list_sessions",
        status=200,
        returns="PageSession",
        limit=1,
        dialect=["agent_key", "agntix"],
        cursor=first.next_cursor,
    )
    assert second.data[0].id != first.data[0].id
    assert sessions["agnost"].user_id == "user_42" and sessions["agnost"].state == "open"

    path = [sessions["agent_key"].id]
    read = api.send("get_session", *path, status=200, returns="SingleSession")
    assert read.parsed.metadata.to_dict() == {"channel": "web"} and read.parsed.last_event_number >= 1
    version = read.headers["etag"]
    change = ("UpdateSession", {"name": "Renamed", "metadata": {"channel": "phone", "tier": 2}})
    changed = api.call("update_session", *path, status=200, returns="SingleSession", body=change, if_match=version)
    assert changed.name == "Renamed" and changed.metadata.to_dict() == {"channel": "phone", "tier": 2}
    stale = api.call("update_session", *path, status=412, returns="Problem", body=change, if_match=version)
    assert stale.status == 412 and stale.code == "precondition_failed", stale

    word = f"needle-{uuid.uuid4()}"
    again = {"body": ("CreateEvent", {"role": "assistant", "text": f"A {word}"}), "idempotency_key": word}
    path = [sessions["messaging"].id]
    event = api.call("create_event", *path, status=201, returns="Event", **again)
    assert event.messages[0].text == f"A {word}" and event.messages[0].role == "assistant"
    assert api.call("create_event", *path, status=201, returns="Event", **again).id == event.id
    events = api.call("list_events", *path, status=200, returns="PageEvent", order="newest").data
    assert event.id in [one.id for one in events]
    found = api.call("search", status=200, returns="PageSearchResult", q=word).data
    assert [hit.session.id for hit in found] == path and word in found[0].snippet
    # The generator knows no lines of JSON: each line is one of its models.
    request = api.operations["export"]._get_kwargs(dialect="messaging")
    text = api.client.get_httpx_client().request(**request).text
    lines = {line.id: line for line in (api.models.ExportLine.from_dict(json.loads(line)) for line in text.splitlines())}
    assert lines[path[0]].session.vendor_id == sessions["messaging"].vendor_id

    problem = api.call("get_session", "agntix_" + "0" * 32, status=404, returns="Problem")
    assert problem.code == "not_found" and problem.request_id, problem
    wrong = api.call("list_sessions", status=400, returns="Problem", state="asleep")
    assert wrong.errors[0].parameter == "state" and "open" in wrong.errors[0].detail, wrong


for dialect in (agnost, agntix, agent_key, messaging, integer_id, sessionary):
    dialect()
print("a session in every dialect and the own API over them, through generated models")

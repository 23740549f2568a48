"""Turns, properties and a burst of 200 conversations at once, as the vendor's Python client sends them."""

import sys
import threading
import uuid

import agnost
from dashboard import BASE_URL, ORG_ID, conversation, dashboard, same

VERSION = sys.argv[1]

agnost.init(ORG_ID, endpoint=BASE_URL)
if agnost.track is None:
    raise SystemExit("the client has no track()")

run = uuid.uuid4().hex[:8]
plain = f"conv_{run}"
said = 'Where is "my" order?\nIt was due — 今日.'
answer = "On its way. 🚚"
agnost.identify("ann", {"plan": "pro", "seats": 3, "trial": False})
for _ in range(2):
    agnost.track(user_id="ann", input=said, output=answer, agent_name="support", conversation_id=plain,
                 properties={"model": "m-1", "cached": True, "nested": {"a": 1}}, latency=120)
interaction = agnost.begin(user_id="ann", agent_name="support", conversation_id=plain, input="And now?")
interaction.end(output="it broke", success=False, latency=7)
agnost.flush()

found = conversation(plain, 3)
same("the user", found["user_id"], "ann")
same("the session's id", found["session_id"], plain)
same("the connection", found["connection_type"], "sdk")
turns = found["messages"]
same("what was said", [turn["input"] for turn in turns], [said, said, "And now?"])
same("what was answered", [turn["output"] for turn in turns], [answer, answer, "it broke"])
same("how it went", [turn["success"] for turn in turns], [True, True, False])
same("the kinds", {turn["kind"] for turn in turns}, {"turn"})
same("how long it took", turns[0]["latency"], 120)
same("the properties", turns[0]["metadata"], {"model": "m-1", "cached": "True", "nested": "{'a': 1}", "event_type": ""})
io = dashboard("event-io", {"event_id": turns[0]["id"]})
same("one event", (io["input"], io["output"]), (said, answer))


def talk(number):
    agnost.track(user_id=f"user-{number}", input=f"question {number}", output=f"answer {number}",
                 agent_name="burst", conversation_id=f"burst_{run}_{number}")


threads = [threading.Thread(target=talk, args=(number,)) for number in range(200)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
agnost.shutdown()
for number in range(200):
    turn = conversation(f"burst_{run}_{number}", 1)["messages"][0]
    same("a turn of the burst", (turn["input"], turn["output"], turn["user_id"]),
         (f"question {number}", f"answer {number}", f"user-{number}"))
print(f"agnost {VERSION} (Python): 203 turns arrived once and read as they were said")

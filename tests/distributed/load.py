"""Creates sessions while shards are moved and a node is killed, and counts what is missing.

usage: load.py PROGRAM COORDINATOR_URL PHASE

PHASE is `move` (every shard of one node to another and back), `rebalance`, or `kill` (a node is stopped with SIGKILL and
started again by the commands in SESSIONARY_KILL_NODE and SESSIONARY_START_NODE; SESSIONARY_KILLED_NODE is its host:port).
Prints the acknowledged sessions, the missing ones, and the longest pause of the organizations of each node.
"""

import collections
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid

import psycopg

PROGRAM, URL, PHASE = sys.argv[1:4]
PORT = 21680
THREADS = 24
ORGANIZATIONS = 40
QUIET = 3  # seconds before and after

ENVIRONMENT = {**os.environ, "DATABASE_URL": URL, "SESSIONARY_LISTEN": f"127.0.0.1:{PORT}", "SESSIONARY_RATE_LIMIT": "off",
               "RUST_LOG": "warn"}


def sql(text, *arguments):
    with psycopg.connect(URL, autocommit=True) as connection:
        return connection.execute(text, arguments or None).fetchall()


def organizations():
    found = []
    for number in range(ORGANIZATIONS):
        output = subprocess.run([PROGRAM, "org", "create", "--name", f"load {number}", "--json"], env=ENVIRONMENT,
                                capture_output=True, text=True, check=True).stdout
        found.append(json.loads(output)["org_id"])
    return found


def placement(orgs):
    rows = sql("""SELECT o::text, n.nodename || ':' || n.nodeport
                    FROM unnest(%s::uuid[]) o
                    JOIN pg_dist_placement p ON p.shardid = get_shard_id_for_distribution_column('organizations', o)
                    JOIN pg_dist_node n USING (groupid)""", orgs)
    return dict(rows)


class Load:
    def __init__(self, orgs):
        self.node, self.acknowledged = placement(orgs), collections.defaultdict(list)
        self.statuses, self.pauses, self.lock = collections.Counter(), collections.Counter(), threading.Lock()
        self.ends = False
        by_node = collections.defaultdict(list)
        for org, node in self.node.items():
            by_node[node].append(org)
        lists = list(by_node.values())
        self.threads = [threading.Thread(target=self.send, args=(lists[n % len(lists)],), daemon=True) for n in range(THREADS)]

    def send(self, orgs):
        connection = None
        last = collections.defaultdict(time.monotonic)
        while not self.ends:
            org, session = random.choice(orgs), str(uuid.uuid4())
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", PORT, timeout=40)
                body = json.dumps({"session_id": session, "user_data": {"user_id": "u"}})
                connection.request("POST", "/api/v1/capture-session", body,
                                   {"x-org-id": org, "content-type": "application/json"})
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException) as error:
                connection, status = None, type(error).__name__
            node = self.node[org]
            with self.lock:
                self.statuses[(node, status)] += 1
                if status == 200:
                    self.acknowledged[org].append(session)
                    now = time.monotonic()
                    self.pauses[node] = max(self.pauses[node], now - last[node])
                    last[node] = now
            if status != 200:
                time.sleep(0.05)

    def missing(self):
        count = 0
        for org, sessions in self.acknowledged.items():
            stored = sql("SELECT count(*) FROM sessions WHERE org_id = %s AND session_id = ANY (%s::uuid[])", org, sessions)
            count += len(sessions) - stored[0][0]
        return count


def nodes():
    """Returns host and port of the first two nodes."""
    return sql("SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND noderole = 'primary' ORDER BY groupid")[:2]


def move_shards(moves):
    """Moves the first shard of each source to its target, while row-level security is not forced upon the owner."""
    with psycopg.connect(URL, autocommit=True) as connection:
        tables = [row[0] for row in connection.execute(
            "SELECT logicalrelid::text FROM pg_dist_partition WHERE partmethod = 'h'").fetchall()]
        try:
            for table in tables:
                connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            for source, target in moves:
                shard = connection.execute(
                    """SELECT p.shardid FROM pg_dist_placement p JOIN pg_dist_shard s USING (shardid)
                         JOIN pg_dist_node n USING (groupid)
                        WHERE s.logicalrelid = 'organizations'::regclass AND (n.nodename, n.nodeport) = (%s, %s)
                        ORDER BY 1 LIMIT 1""", source).fetchone()[0]
                began = time.monotonic()
                connection.execute("SELECT citus_move_shard_placement(%s, %s, %s, %s, %s, %s)",
                                   (shard, *source, *target, "force_logical"))
                print(f"moved shard {shard} in {time.monotonic() - began:.1f} s")
        finally:
            for table in tables:
                connection.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def move():
    first, second = nodes()
    move_shards([(first, second), (second, first)])


def rebalance():
    first, second = nodes()
    # Otherwise there would be nothing to do.
    move_shards([(first, second)] * 2)
    output = subprocess.run([PROGRAM, "rebalance", "--json"], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    moved = json.loads(output.stdout)["moved"]
    print(f"rebalanced: {moved} shards moved")
    assert moved > 0, "no shard was moved"


def kill():
    subprocess.run(os.environ["SESSIONARY_KILL_NODE"], shell=True, check=True)
    time.sleep(5)
    subprocess.run(os.environ["SESSIONARY_START_NODE"], shell=True, check=True)
    time.sleep(2)


orgs = organizations()
service = subprocess.Popen([PROGRAM, "serve"], env=ENVIRONMENT, stdout=subprocess.DEVNULL)
try:
    for _ in range(200):
        try:
            http.client.HTTPConnection("127.0.0.1", PORT, timeout=2).request("GET", "/livez")
            break
        except OSError:
            time.sleep(0.1)
    load = Load(orgs)
    for thread in load.threads:
        thread.start()
    time.sleep(QUIET)
    load.pauses.clear()
    {"move": move, "rebalance": rebalance, "kill": kill}[PHASE]()
    time.sleep(QUIET)
    load.ends = True
    for thread in load.threads:
        thread.join()
    acknowledged, missing = sum(map(len, load.acknowledged.values())), load.missing()
    prepared = sql("SELECT count(*) FROM pg_prepared_xacts")[0][0]
    print(f"{PHASE}: {acknowledged} acknowledged, {missing} missing, {prepared} prepared transactions left")
    for (node, status), count in sorted(load.statuses.items(), key=str):
        print(f"  {node} {status}: {count}")
    for node, pause in sorted(load.pauses.items()):
        print(f"  {node}: longest pause of a client {pause:.2f} s")
    sys.exit(1 if missing or prepared or not acknowledged else 0)
finally:
    service.terminate()
    service.wait(30)

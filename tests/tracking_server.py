"""A tracking server of MLflow's as far as a tracker asks for it, in a file of SQLite: python tracking_server.py PORT FILE."""

from __future__ import annotations

import json
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse


def main(port: int, file: str) -> None:
    kept = sqlite3.connect(file, check_same_thread=False)
    kept.execute("create table if not exists experiments (name text unique)")
    kept.execute("create table if not exists runs (name text, status text)")
    kept.execute("create table if not exists params (run, key, value, unique (run, key))")
    kept.execute(
        "create table if not exists metrics (run, key, value, timestamp, step, unique (run, key, value, timestamp, step))"
    )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            name = parse_qs(urlparse(self.path).query)["experiment_name"][0]
            row = kept.execute("select rowid from experiments where name = ?", (name,)).fetchone()
            self.answer(404 if row is None else 200, {"experiment": {"experiment_id": str(row and row[0])}})

        def do_POST(self):
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            what = self.path.removeprefix("/api/2.0/mlflow/")
            found = {}
            if what == "experiments/create":
                cursor = kept.execute("insert into experiments values (?)", (given["name"],))
                found = {"experiment_id": str(cursor.lastrowid)}
            elif what == "runs/create":
                cursor = kept.execute("insert into runs values (?, 'RUNNING')", (given.get("run_name"),))
                found = {"run": {"info": {"run_id": str(cursor.lastrowid)}}}
            elif what == "runs/log-batch":
                assert len(given.get("metrics", [])) <= 1000
                keys, metrics = ("key", "value", "timestamp", "step"), given.get("metrics", [])
                rows = [(given["run_id"], *map(one.get, keys)) for one in metrics]
                kept.executemany("insert or ignore into metrics values (?, ?, ?, ?, ?)", rows)
                rows = [(given["run_id"], one["key"], one["value"]) for one in given.get("params", [])]
                kept.executemany("insert or replace into params values (?, ?, ?)", rows)
            elif what == "runs/update":
                kept.execute("update runs set status = ? where rowid = ?", (given["status"], given["run_id"]))
            kept.commit()
            self.answer(200, found)

        def answer(self, status, content):
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given):
            pass

    ThreadingHTTPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

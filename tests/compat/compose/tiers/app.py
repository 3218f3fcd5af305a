"""Notes in PostgreSQL, a count of visits in redis, and a stream that goes on until it is ended."""

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
import redis

ABOUT = {"release": os.environ["RELEASE"], "host": socket.gethostname()}
counts = redis.Redis(host="redis")


def database():
    return psycopg2.connect(host="postgres", user="postgres", connect_timeout=5)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/stream":
            return self.stream()
        if self.path == "/well":
            return self.answer({})
        with database() as rows, rows.cursor() as cursor:
            cursor.execute("SELECT text FROM notes ORDER BY id")
            notes = [text for (text,) in cursor.fetchall()]
        self.answer({**ABOUT, "notes": notes, "visits": counts.incr("visits")})

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with database() as rows, rows.cursor() as cursor:
            cursor.execute("INSERT INTO notes (text) VALUES (%s)", (text,))
        self.answer({})

    def stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        beat, count = threading.Event(), 0
        while not beat.wait(0.1):
            count += 1
            line = f"{count}\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(line), line))

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


with database() as rows, rows.cursor() as cursor:
    cursor.execute("SELECT pg_advisory_xact_lock(1)")  # several start at once
    cursor.execute("CREATE TABLE IF NOT EXISTS notes (id serial, text text)")
ThreadingHTTPServer(("", 8000), Handler).serve_forever()

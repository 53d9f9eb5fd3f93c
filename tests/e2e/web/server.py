#!/usr/bin/env python3
"""A web service with parcels and the steps of each on its way, for a low-code source to read.

`/parcels?after=…&page=…&size=…` tells those that changed later, `/parcels/1/steps?after=…` the steps of one.
With `since=…&before=…` instead, those of the time from the first one until before the second one.
`POST /parcels` makes one more, or with the body `break` lets every second page fail until `mend`; `/asked` tells all
that was asked for.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

TOKEN = "Bearer open-sesame"
asked = []
parcels = []
broken = []


def make_parcel():
    number = len(parcels) + 1
    parcels.append({"id": number, "weight": f"{number}.50", "changed_at": f"2024-01-0{number + 1}T00:00:00Z"})
    return parcels[-1]


def page_of(query):
    size, page = int(query["size"]), int(query.get("page", "1"))
    found = [parcel for parcel in parcels if query.get("after", "") < parcel["changed_at"] < query.get("before", "9")]
    found = [parcel for parcel in found if parcel["changed_at"] >= query.get("since", "")]
    return {"parcels": found[(page - 1) * size : page * size]}


def steps_of(number, query):
    at = parcels[number - 1]["changed_at"]
    steps = [{"parcel": number, "step": step, "at": at} for step in ("sent", "delivered")]
    return {"steps": steps if at > query["after"] else []}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/asked":
            return self.say(200, asked)
        asked.append(self.path)
        if self.headers.get("Authorization") != TOKEN:
            return self.say(401, {"error": "the token is wrong"})
        query = dict(parse_qsl(url.query))
        match url.path.strip("/").split("/"):
            case ["parcels"] if broken and query.get("page") == "2":
                return self.say(500, {"error": "the second page is away"})
            case ["parcels"]:
                return self.say(200, page_of(query))
            case ["parcels", number, "steps"]:
                return self.say(200, steps_of(int(number), query))
        return self.say(404, {"error": "there is no such page"})

    def do_POST(self):
        match self.rfile.read(int(self.headers.get("Content-Length", 0))):
            case b"break":
                broken.append(True)
            case b"mend":
                broken.clear()
            case _:
                return self.say(201, make_parcel())
        return self.say(200, {"broken": bool(broken)})

    def say(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


for _ in range(5):
    make_parcel()
ThreadingHTTPServer(("", 8080), Handler).serve_forever()

"""A small notes service in Flask, recorded under gunicorn; its dashboard is in a process of its own beside it.

    pip install . flask gunicorn
    gunicorn -w 2 --threads 4 --chdir examples flask_app:app

Use http://127.0.0.1:8000/notes, and look at http://127.0.0.1:9090 meanwhile. NOTES names another folder for the notes.
"""

from __future__ import annotations

import html
import os
import secrets
import tempfile
from pathlib import Path

from flask import Flask, abort, request

from fanlight import Fanlight

FOLDER = Path(os.environ.get("NOTES") or Path(tempfile.gettempdir()) / "fanlight-notes")
FOLDER.mkdir(mode=0o700, exist_ok=True)
LIMIT = 10_000  # characters of a note

app = Flask(__name__)
dashboard = Fanlight("notes", store=f"sqlite:///{FOLDER}/fanlight.db", port=9090)

rendered: dict[str, str] = {}
cache = dashboard.cache("rendered", clear=rendered.clear)


@app.get("/notes")
def index() -> dict[str, list[str]]:
    return {"notes": sorted(path.stem for path in FOLDER.glob("*.txt"))}


@app.post("/notes")
def create() -> tuple[dict[str, str], int]:
    text = request.get_data(as_text=True)
    if not 0 < len(text) <= LIMIT:
        abort(400, f"a note has 1 to {LIMIT} characters: curl -d 'buy milk' http://127.0.0.1:8000/notes")
    name = secrets.token_hex(4)
    (FOLDER / f"{name}.txt").write_text(text)
    dashboard.event("note", name=name, length=len(text))
    return {"note": name}, 201


@app.get("/notes/<name>")
def show(name: str) -> str:
    if name in rendered:
        cache.hit()
    else:
        cache.miss()
        rendered[name] = f"<p>{html.escape(_read(name))}</p>"
        cache.size(len(rendered))
    return rendered[name]


def _read(name: str) -> str:
    path = FOLDER / f"{name}.txt"
    if not name.isalnum() or not path.is_file():
        abort(404)
    return path.read_text()


app.wsgi_app = dashboard.wsgi(app.wsgi_app)  # type: ignore[method-assign]  # Flask's own way to wrap it

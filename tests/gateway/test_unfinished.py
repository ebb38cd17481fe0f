"""What the log says of an answer that its provider broke off."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from tests.gateway.hostile import hostile
from tests.gateway.serving import PATIENCE
from tests.gateway.test_soak import ask

from fanlight.gateway import unfinished


def test_the_log_says_why_an_answer_was_left_unfinished(tmp_path: Path) -> None:
    """X-7: one line with the provider's name and what it did, instead of the server's complaint of us."""
    with hostile() as (address, _):
        models = '[models.half_a_document]\nprovider = "bad"\n'
        provider = f'[providers.bad]\nkind = "openai"\nbase_url = "{address}/v1"\nretries = 0\n'
        (tmp_path / "hub.toml").write_text(provider + models)
        words = [sys.executable, "-m", "fanlight", "gateway", "--port", "0", "--store", "memory://"]
        with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as made:
            assert made.stdout is not None
            line = next(line for line in made.stdout if "http://" in line)
            try:
                status = ask(line.partition("http://")[2].split("/")[0], "half_a_document", stream=False)
            finally:  # also after a failure, or its end would be waited for without end
                made.terminate()
                said = made.communicate(timeout=PATIENCE)[0]
    assert status == 200
    assert said.count("bad closed the connection before its answer was whole") == 1
    assert "ASGI" not in said


def test_what_was_not_meant_is_still_complained_of() -> None:
    """X-7: an answer that was left unfinished is complained of once, in better words; all else as ever."""
    said = []
    for error in (unfinished.Unfinished("far was reset", 502), ValueError("ours"), None):
        raised = (type(error), error, None) if error is not None else None
        made = logging.LogRecord(unfinished.SERVER, logging.ERROR, "", 0, "Exception in ASGI application", None, raised)
        said.append(unfinished.told(made))
    assert said == [False, True, True]

"""The command `synthst report`: one HTML file over all finished experiments below a folder."""

import logging
from pathlib import Path

from synthst.atomic import atomic_file
from synthst.errors import ConfigError, DataError
from synthst.page.clips import Budget
from synthst.page.figures import find_figures
from synthst.page.models import find_models
from synthst.page.render import Content, render_page
from synthst.page.sentences import collect_sets
from synthst.page.tables import find_tables

logger = logging.getLogger(__name__)


def report(
    exp: Path,
    *,
    out: Path | None = None,
    sentences: int = 1000,
    audio_megabytes: float = 10.0,
    seed: int = 0,
) -> None:
    """Write one HTML page over all trained models, tables and figures below ``exp``; it needs no other file.

    Nothing is run or scored: what `synthst results` and `synthst table` have scored is shown. Of each test
    set ``sentences`` can be looked at, drawn by ``seed`` if it has more. Speech is put into the page as MP3
    until that makes ``audio_megabytes`` of it, where translations differ most first. ``out`` is
    <exp>/index.html if not given. Raises DataError when no trained model is there.
    """
    if sentences < 1 or audio_megabytes < 0:
        found = f"--sentences {sentences}, --audio_megabytes {audio_megabytes}"
        raise ConfigError(f"{found}: give a number of sentences above 0, and 0 or more megabytes")
    if not exp.is_dir():
        raise DataError(f"{exp} is no folder; name the one with the trained models, such as exp")
    out = exp / "index.html" if out is None else out
    models = find_models(exp)
    sets, notes = collect_sets(models, sentences=sentences, seed=seed, budget=Budget(audio_megabytes * 1e6))
    content = Content(exp.resolve(), models, sets, find_tables(exp), find_figures(exp), notes)
    html = render_page(content)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as file:
        file.write(html.encode("utf-8", "replace"))
    for note in notes:
        logger.warning("%s", note)
    print(
        f"{out}: {len(models)} models, {len(sets)} test sets with sentences, {len(content.tables)} tables, "
        f"{len(content.figures)} figures, {len(html.encode('utf-8', 'replace')) / 1e6:.1f} MB"
    )

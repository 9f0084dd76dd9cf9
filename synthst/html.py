"""Write pages that are one file each: templates that escape, data in a script element, data: URIs."""

import json
from base64 import b64encode

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup


def page_environment(package: str, folder: str, **shared: tuple[str, str]) -> Environment:
    """Make the environment of the templates in a package's folder; what they put in is escaped.

    ``shared`` are other packages' folders, from which `{% include "NAME/page.css" %}` takes a file.
    """
    others = {name: PackageLoader(*place) for name, place in shared.items()}
    return Environment(
        loader=ChoiceLoader([PackageLoader(package, folder), PrefixLoader(others)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embed_json(value: object) -> Markup:
    """Write JSON that can stand in a script element, whatever the texts hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def data_uri(content: bytes, media_type: str) -> str:
    """Return the address that is the content itself."""
    return f"data:{media_type};base64,{b64encode(content).decode()}"

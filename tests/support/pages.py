"""The text of a page, however its template is broken into lines."""

import re

from django.http import HttpResponse


def one_line(page: HttpResponse | str) -> str:
    """The markup with each run of white space as one space, and none beside a tag's inner border."""
    markup = page if isinstance(page, str) else page.content.decode()
    return re.sub(r"> | <(?=/)| (?=>)", lambda match: match[0].strip(), " ".join(markup.split()))

"""The decoders under atheris, which follows their coverage: `python -m benchmarks.fuzz.guided`.

It takes libFuzzer's options, and a directory for what it finds; `-max_total_time=60` ends it after a
minute. The first byte of an input chooses the decoder, so that one corpus serves them all.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=[
        "ingest",
        "analytics.storage.store",
        "consent.registry.cleaning",
        "consent.registry.personal_data",
    ]
):
    from tests.support.fuzz.bodies import Body, corpus
    from tests.support.fuzz.decoders import DECODERS, try_one

CHOICES = list(DECODERS)


def test_one_input(data: bytes) -> None:
    if data:
        path, content_type = CHOICES[data[0] % len(CHOICES)]
        try_one(Body(path, content_type, "", data[1:], 0))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, (signal, content_type, raw) in enumerate(corpus()):
            first = bytes([CHOICES.index((f"/v1/{signal}", content_type))])
            Path(folder, str(number)).write_bytes(first + raw)
        given = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
        atheris.Setup([sys.argv[0], *options, *given, folder], test_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

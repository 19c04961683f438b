"""Letters per second on one core, each in both parts: `python -m benchmarks.bench_letters`."""

import sys
from time import perf_counter

from tests.letter_samples import ANN, LETTERS, OURS, request

SECONDS = 3.0


def letters_per_second(locale: str) -> tuple[float, int]:
    """Every letter of the default playbook in turn, templates compiled before; and the largest HTML."""
    reader = ANN.model_copy(update={"locale": locale})
    asked = [request(name) for name in LETTERS]
    largest = max(len(OURS.render(each, reader).html.encode()) for each in asked)
    written, start = 0, perf_counter()
    while perf_counter() - start < SECONDS:
        for each in asked:
            OURS.render(each, reader)
        written += len(asked)
    return written / (perf_counter() - start), largest


def main() -> None:
    for locale in OURS.languages:
        rate, largest = letters_per_second(locale)
        sys.stdout.write(f"letters {locale}: {rate:6.0f} a second on one core, at most {largest:,} bytes\n")


if __name__ == "__main__":
    main()

"""generate.py FILE [ROWS]: writes a made-up corpus, the same one each time.

Two columns, `id` and `text`: sentences with the blemishes of a scraped corpus: odd blanks,
words in capitals, and about three in ten that are too short to keep.
"""
import os
import random
import sys

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = """the a one every river valley harvest engine signal harbour letter winter copper garden
lantern market bridge carries follows keeps measures opens repairs slowly often never quietly behind
under across between and while because small bright distant broken careful old""".split()


def sentence(rng):
    count = rng.randint(0, 7) if rng.random() < 0.3 else rng.randint(12, 60)
    words = [rng.choice(WORDS) for _ in range(count)]
    words = [word.upper() if rng.random() < 0.1 else word for word in words]
    text = "".join(word + rng.choice([" ", " ", " ", "  ", "\t", "\n"]) for word in words)
    return rng.choice(["", " ", "\n"]) + text


def corpus(rows):
    rng = random.Random(7)
    return pa.table({
        "id": pa.array([f"doc-{row:06d}" for row in range(rows)], pa.string()),
        "text": pa.array([sentence(rng) for _ in range(rows)], pa.string()),
    })


def main():
    file, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    os.makedirs(os.path.dirname(file) or ".", exist_ok=True)
    pq.write_table(corpus(rows), file + ".new", row_group_size=2500)
    os.replace(file + ".new", file)
    print(f"{rows} rows in {file}")


if __name__ == "__main__":
    main()

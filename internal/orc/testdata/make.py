"""Writes the ORC files beside it with pyarrow (26.0), whose writer is ORC's C++ one. The tests know the rows by
their formulas."""

import datetime
import decimal

import pyarrow as pa
import pyarrow.orc as orc

D = decimal.Decimal


def null(i, n, value):
    return None if i % n == 0 else value


def types(n):
    utc = datetime.timezone.utc
    epoch = datetime.datetime(1970, 1, 1)
    rows = range(n)
    columns = {
        "id": (pa.int64(), [i for i in rows]),
        "yes": (pa.bool_(), [null(i, 7, i % 3 == 0) for i in rows]),
        "tiny": (pa.int8(), [null(i, 5, i % 256 - 128) for i in rows]),
        "small": (pa.int16(), [i % 60000 - 30000 for i in rows]),
        "num": (pa.int32(), [null(i, 11, (i * 7919) % 1000003 * (-1) ** i) for i in rows]),
        "big": (pa.int64(), [(i * 2654435761) ** 2 % 2**62 - 2**61 for i in rows]),
        "f": (pa.float32(), [null(i, 13, i / 4) for i in rows]),
        "d": (pa.float64(), [i / 8 for i in rows]),
        "txt": (pa.string(), [null(i, 3, f"the text of row {i}") for i in rows]),
        "word": (pa.string(), [null(i, 4, f"word {i % 10}") for i in rows]),
        "bin": (pa.binary(), [b"\xff" + bytes([i % 200]) for i in rows]),
        "day": (pa.date32(), [null(i, 9, datetime.date(1900, 1, 1) + datetime.timedelta(days=i * 7)) for i in rows]),
        "ts": (pa.timestamp("ns"), [null(i, 6, epoch + datetime.timedelta(seconds=(i - 1000) * 86399, microseconds=i)) for i in rows]),
        "inst": (pa.timestamp("ns", "UTC"), [(epoch + datetime.timedelta(seconds=i)).replace(tzinfo=utc) for i in rows]),
        "d4": (pa.decimal128(4, 1), [null(i, 8, D(i % 1000) / 10) for i in rows]),
        "d18": (pa.decimal128(18, 4), [D(i - 500).scaleb(10) / 10000 for i in rows]),
        "d38": (pa.decimal128(38, 10), [(D(i - 500) * (10**27 + 1)).scaleb(-10) for i in rows]),
        "l": (pa.list_(pa.int32()), [null(i, 10, [null(k, 3, i + k) for k in range(i % 4)]) for i in rows]),
        "m": (pa.map_(pa.string(), pa.int64()), [null(i, 12, [(f"key {k}", i * k) for k in range(i % 3)]) for i in rows]),
        "st": (pa.struct([("a", pa.int32()), ("b", pa.string())]), [null(i, 14, {"a": i, "b": f"b{i}"}) for i in rows]),
        "ls": (pa.list_(pa.struct([("x", pa.list_(pa.string()))])), [[{"x": [f"{i}", "y"]}] * (i % 3) for i in rows]),
    }
    return pa.table({k: pa.array(v, t) for k, (t, v) in columns.items()})


decimal.getcontext().prec = 60
for codec in ["uncompressed", "zlib", "snappy", "lz4", "zstd"]:
    orc.write_table(types(3000 if codec == "zstd" else 700), f"types_{codec}.orc", compression=codec, compression_block_size=65536,
                    dictionary_key_size_threshold=0.1)

# Row groups of 500 in one stripe, with Bloom filters.
for codec in ["uncompressed", "zstd"]:
    blooms = [i + 1 for i, f in enumerate(types(1).schema) if f.name in ("id", "tiny", "small", "num", "txt", "word", "d", "day")]
    orc.write_table(types(3300), f"groups_{codec}.orc", compression=codec, batch_size=100, row_index_stride=500,
                    dictionary_key_size_threshold=0.1, bloom_filter_columns=blooms, bloom_filter_fpp=0.05)

# Stripes whose ids do not overlap, in row groups of 1000.
n = 60000
table = pa.table({"id": pa.array(range(n)), "txt": pa.array([f"{i:06d}" for i in range(n)]),
                  "day": pa.array([i // 100 for i in range(n)], pa.date32()), "pad": pa.array([f"{i * 2654435761 % 2**32:x}" * 4 for i in range(n)]),
                  "half": pa.array([None if i < n // 2 else i / 2 for i in range(n)])})
orc.write_table(table, "stripes.orc", compression="zstd", stripe_size=64 * 1024, batch_size=1000, row_index_stride=1000)

# What the pages of StarRocks declare as id varchar(65500), attributes map<varchar(100), varchar(2000)>.
orc.write_table(pa.table({
    "id": pa.array(["a", "b", None]),
    "attributes": pa.array([[("colour", "red"), ("size", "small")], [], None], pa.map_(pa.string(), pa.string())),
}), "attributes.orc")

# Names and types as they change over a table's life.
orc.write_table(pa.table({"_col0": pa.array([1, 2], pa.int32()), "_col1": pa.array(["one", "two"])}), "nameless.orc")
orc.write_table(pa.table({
    "NAME": pa.array(["three"]), "id": pa.array([3], pa.int64()), "more": pa.array([True]),
    "rec": pa.array([{"B": "b", "z": 1.5}], pa.struct([("B", pa.string()), ("z", pa.float64())])),
}), "renamed.orc")

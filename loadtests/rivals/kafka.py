"""``python -m loadtests.rivals.kafka``: a broker that takes messages and forgets them, until it is stopped.

No Kafka can be had as a package here. This is the broker that librdkafka brings for its own tests: it speaks the
protocol over TCP, so a producer does all that it would do. It prints the address it listens on.
"""

import ctypes
import ctypes.util
import signal
import sys
from typing import Final

_PRODUCER: Final = 0
_BROKERS: Final = 1


def serve() -> None:
    name = ctypes.util.find_library("rdkafka")
    if name is None:
        raise SystemExit("librdkafka is missing")
    library = ctypes.CDLL(name)
    library.rd_kafka_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_new.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.rd_kafka_mock_cluster_new.restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.argtypes = [ctypes.c_void_p]
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(512)
    client = library.rd_kafka_new(_PRODUCER, None, error, len(error))
    cluster = library.rd_kafka_mock_cluster_new(client, _BROKERS)
    sys.stdout.write(library.rd_kafka_mock_cluster_bootstraps(cluster).decode() + "\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    serve()

from tapdock.events import StreamReport
from tapdock.protocol.catalog import ConfiguredStream, Stream
from tapdock.runs.target_metrics import Metrics

METRIC = '{"type":"counter","metric":"record_count","value":%s,"tags":{"stream":"%s","pid":1}}'
LINE = f"2026-11-26 INFO | singer_sdk.metrics | METRIC: {METRIC}"


def reported(records: int, *, namespace: str | None = None, stream: str = "orders") -> StreamReport:
    return StreamReport(namespace=namespace, stream=stream, records=records, bytes=0, status="complete", path="splice")


def differing(metrics: Metrics, report: StreamReport, **names: str) -> list[str]:
    stream = Stream(name=report.stream, namespace=report.namespace)
    streams = (ConfiguredStream(stream=stream, sync_mode="full_refresh"),)
    return metrics.mismatches((report,), streams, names)


def test_several_parts_of_a_stream_are_one_count() -> None:
    metrics = Metrics()
    metrics.hear(LINE % (3, "orders"))
    metrics.hear(LINE % (4.0, "orders"))
    assert differing(metrics, reported(7)) == []
    assert differing(metrics, reported(8)) == ["stream `orders`: the target counted 7 records, but 8 were sent"]


def test_a_stream_is_recognized_by_its_name_in_the_target() -> None:
    metrics = Metrics()
    metrics.hear(LINE % (2, "shop-orders"))
    assert differing(metrics, reported(2, namespace="shop"), **{"shop.orders": "shop-orders"}) == []
    assert differing(metrics, reported(1, namespace="shop"), **{"shop.orders": "shop-orders"}) != []


def test_a_target_that_counts_nothing_differs_in_nothing() -> None:
    metrics = Metrics()
    for line in ("5 records", 'METRIC: {"metric": 7}', 'METRIC: {"type":"timer","metric":"t","value":1,"tags":{}}'):
        metrics.hear(line)
    assert differing(metrics, reported(5)) == []

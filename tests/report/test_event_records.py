"""Records of event files against tensorboardX's own, one at a time."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboardX.record_writer import RecordWriter

from barwise.runs.event_records import framed


@settings(max_examples=60, deadline=None)
@given(data=st.lists(st.binary(max_size=120) | st.binary(min_size=1_000, max_size=1_100), max_size=12))
def test_many_at_once_are_what_the_library_writes_one_by_one(data, tmp_path_factory):
    path = Path(tmp_path_factory.mktemp("records")) / "events"
    writer = RecordWriter(str(path))
    for one in data:
        writer.write(one)
    writer.close()
    assert framed(data) == path.read_bytes()

from __future__ import annotations

import pyarrow as pa
import pytest

from workbench.errors import LakeError
from workbench.lake import devices
from workbench.model.ids import device_key


def test_register_names_every_device_once(lake):
    with lake.writer():
        table, first = devices.register(lake, ["b", "a", "b"], "lamps")
        assert table["device_id"].to_pylist() == ["a", "b"]
        assert table["device_key"].to_pylist() == [device_key("main", "a"), device_key("main", "b")]
        assert first is not None
        assert first.rows == 2
        table, second = devices.register(lake, ["b", "c"], "hubs", pending=[first])
        assert second is not None
        assert second.rows == 1
        lake.commit({"stage": "land"}, add=[first, second])
        table, third = devices.register(lake, pa.array(["c", "a"]), "lamps")
        assert table["device_id"].to_pylist() == ["a", "c"]
        assert third is None
    assert sorted(devices.registry(lake)["source"].to_pylist()) == ["hubs", "lamps", "lamps"]


def test_the_same_device_has_another_key_for_another_tenant():
    assert device_key("a", "lamp") != device_key("b", "lamp")


@pytest.mark.parametrize("ids", [["a", None], [""]])
def test_a_nameless_device_is_refused(lake, ids):
    with lake.writer(), pytest.raises(LakeError) as error:
        devices.register(lake, ids, "lamps")
    assert error.value.code == "device_id_missing"


@pytest.mark.parametrize("registered", [True, False], ids=["with a known device", "within one delivery"])
def test_two_devices_of_one_key_are_refused(lake, monkeypatch, registered):
    """63 bits do not collide by chance in a test, so the hash is narrowed until they do."""
    monkeypatch.setattr(devices, "device_key", lambda tenant, device_id: len(device_id))
    with lake.writer():
        if registered:
            _, segment = devices.register(lake, ["aa"], "lamps")
            lake.commit({"stage": "land"}, add=[segment])
        with pytest.raises(LakeError, match="'aa' and 'bb'") as error:
            devices.register(lake, ["aa", "bb"], "lamps")
        assert error.value.code == "device_key_collision"
    assert len(lake.segments("devices")) == registered

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from atelierd.ledger.place import Mount
from atelierd.settings import ShareSettings
from atelierd.sharecheck.kinds import Believed
from atelierd.sharecheck.measures import Events, Lag, Scan, Times
from atelierd.sharecheck.proposal import scan_interval, settle

DISK = Mount("/", "ext4", "/dev/sda")
NFS = Mount("/", "nfs4", "nas:/data")
FINE = Times(0.0, 1e-9)
HEARD = Events(0.01)
FAST = Scan(0.01, 20)


def test_on_a_disk_of_this_machine_the_defaults_stay() -> None:
    found = settle(DISK, FINE, None, None)
    assert found.line == "settle: 2 s"
    found = scan_interval(DISK, HEARD, FAST, None, None)
    assert found.line == "scan_interval: 5 s"
    assert "file events make it shorter" in found.reasons[0]


def test_on_a_network_slow_copies_have_more_time_and_scans_find_what_others_do() -> None:
    found = settle(NFS, FINE, None, None)
    assert found.seconds == 5
    assert "grows in pieces" in found.reasons[0]
    found = scan_interval(NFS, HEARD, FAST, None, None)
    assert found.seconds == 5
    assert "without events of what others do" in found.reasons[0]


def test_times_that_are_coarse_or_do_not_stay_lengthen_the_wait() -> None:
    assert settle(DISK, Times(0.0, 2.0), None, None).seconds == 5
    found = settle(DISK, Times(0.0, None), None, None)
    assert found.seconds == 5
    assert "only sizes tell of a change" in found.reasons[0]
    assert settle(NFS, Times(0.0, 1.0), None, None).seconds == 5


def test_an_old_size_that_is_believed_when_a_file_is_opened_is_outlasted() -> None:
    found = settle(NFS, FINE, None, Lag(1.0, 20.0, 12.3, False))
    assert found.seconds == 16
    assert "still had its old size after 12.3 s" in found.reasons[0]


def test_a_scan_is_to_cost_little() -> None:
    found = scan_interval(DISK, HEARD, Scan(1.2, 90_000), None, None)
    assert found.seconds == 24
    assert "takes 1.2 s" in found.reasons[0]


def test_a_listing_is_not_asked_more_often_than_it_changes() -> None:
    assert scan_interval(NFS, HEARD, FAST, Believed(20.0, "its default"), None).seconds == 10
    found = scan_interval(NFS, HEARD, FAST, Believed(600.0, "actimeo=600"), None)
    assert found.seconds == 30
    # What was measured goes over what a manual says.
    lag = Lag(0.3, 0.3, 0.1, True)
    found = scan_interval(NFS, HEARD, FAST, Believed(600.0, "actimeo=600"), lag)
    assert found.seconds == 5
    assert "file events make it shorter" in found.reasons[0]


amounts = st.none() | st.floats(0, 1e6)


@given(
    st.sampled_from([None, DISK, NFS]),
    amounts,
    st.none() | st.builds(Lag, amounts, amounts, amounts, st.booleans()),
    st.none() | st.builds(Scan, st.floats(0, 1e6), st.just(5)),
    st.none() | st.builds(Events, amounts),
)
def test_whatever_was_found_the_configuration_takes_what_is_proposed(
    mount: Mount | None,
    grain: float | None,
    lag: Lag | None,
    scan: Scan | None,
    events: Events | None,
) -> None:
    for found in (
        settle(mount, Times(0.0, grain), None, lag),
        scan_interval(mount, events, scan, None, lag),
    ):
        assert found.reasons
        read = ShareSettings.model_validate({found.setting: f"{found.seconds} s"})
        default = getattr(ShareSettings(), found.setting)
        assert getattr(read, found.setting) >= default

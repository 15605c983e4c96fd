"""What travels between a daemon and its workers, and what lies at home afterwards."""

from __future__ import annotations

import pytest
from tests.unit.cluster.conftest import Home, Machine, MakeMachine

from atelierd.cluster import carrier as carrying
from atelierd.cluster.carrier import LONGEST_SEGMENT, Carrier, Fences
from atelierd.cluster.parcel import Brought, FileName, Lacking
from atelierd.errors import JobFault, NodeFault, OutOfMemoryFault, WorldFault
from atelierd.jobs.frozen import input_path
from atelierd.render import checkpoint
from atelierd.weights.formats import canonical


def files(home: Home) -> dict[str, bytes]:
    work = home.work()
    return {
        str(path.relative_to(work)): path.read_bytes()
        for path in work.rglob("*")
        if path.is_file() and path.suffix != ".checkpoint"
    }


def test_what_a_worker_makes_lies_at_home_when_the_segment_is_done(
    home: Home, machine: Machine
) -> None:
    report = home.carry(home.carrier(machine))
    assert report.iteration == 1
    assert files(home) == {
        "snapshot-000001.png": b"picture 1",
        "previews/now.jpg": b"now 1",
        "plan.json": b'{"bytes": 1000}',
    }
    found = checkpoint.load_newest(home.work())
    assert found is not None
    assert found[0] == {"iteration": 1}


def test_pictures_and_weights_travel_once_and_come_whole(home: Home, machine: Machine) -> None:
    carrier = home.carrier(machine)
    for _ in range(3):
        home.carry(carrier)
    home.carry(carrier, home.order("b.0"))
    sent = [arguments[0].file for name, arguments in machine.calls if name == "receive_part"]
    kinds = [file.kind for file in dict.fromkeys(sent)]
    assert kinds == ["input", "input", "weights"]
    first = machine.studio.orders[0]
    for file in sent[:2]:
        copy, original = input_path(first.state, file.name), input_path(home.state, file.name)
        assert copy.read_bytes() == original.read_bytes()
    kept = first.state / "weights" / "vgg16.safetensors"
    assert canonical.read(kept).sha256 == home.of("vgg16")[1]
    assert canonical.read_metadata(kept)["configured"] == ""


def test_weights_that_the_machine_has_itself_do_not_travel(
    home: Home, new_machine: MakeMachine
) -> None:
    machine = new_machine("has-them")
    own = machine.bench._own_weights
    own.mkdir()
    (own / "vgg16.safetensors").write_bytes(home.of("vgg16")[0].read_bytes())
    home.carry(home.carrier(machine))
    sent = [arguments[0].file.kind for name, arguments in machine.calls if name == "receive_part"]
    assert "weights" not in sent


def test_the_next_segments_go_on_where_the_render_lives(home: Home, machine: Machine) -> None:
    carrier = home.carrier(machine)
    for _ in range(3):
        home.carry(carrier)
    assert len({order.work for order in machine.studio.orders}) == 1
    assert machine.names().count("run_errand") == 4, "the first one asked for what it lacked"
    assert len(checkpoint.generations(home.work())) == checkpoint.GENERATIONS


def test_pictures_that_are_at_home_are_not_brought_again(home: Home, machine: Machine) -> None:
    carrier = home.carrier(machine)
    home.carry(carrier)
    for path in home.work().glob("snapshot-*"):
        path.unlink()  # published
    home.carry(carrier)
    assert [name for name in files(home) if "snapshot" in name] == ["snapshot-000002.png"]


def test_another_worker_goes_on_from_the_last_checkpoint_at_home(
    home: Home, new_machine: MakeMachine
) -> None:
    one, other = new_machine("one"), new_machine("other")
    first = home.carrier(one)
    home.carry(first)
    home.carry(first)
    assert home.carry(home.carrier(other)).iteration == 3


def test_a_worker_back_from_the_dead_gives_up_what_it_has_done_in_the_meantime(
    home: Home, new_machine: MakeMachine
) -> None:
    one, other = new_machine("one"), new_machine("other")
    first = home.carrier(one)
    home.carry(first)
    # A segment of which nobody has heard the end.
    one.bench.run(one.calls[-1][1][0].__class__(**_as_after(home, one)))
    assert home.carry(home.carrier(other)).iteration == 2
    assert home.carry(home.carrier(other)).iteration == 3
    before = one.studio.orders[-1].work
    assert home.carry(first).iteration == 4, "it went on from what is at home"
    assert one.studio.orders[-1].work != before
    assert not before.exists()


def _as_after(home: Home, machine: Machine) -> dict[str, object]:
    errand = next(arguments[0] for name, arguments in machine.calls if name == "run_errand")
    return {**vars(errand), "after": checkpoint.newest_mark(home.work())}


def test_a_daemon_started_anew_finds_its_worker_where_it_left_it(
    home: Home, machine: Machine
) -> None:
    home.carry(home.carrier(machine))
    assert home.carry(home.carrier(machine)).iteration == 2
    assert len({order.work for order in machine.studio.orders}) == 1


def test_large_files_come_home_in_parts(
    home: Home, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelierd.cluster.bench.PART", 1000)
    monkeypatch.setattr("atelierd.cluster.bench.INLINE", 1500)
    machine.studio.padding = 5000
    home.carry(home.carrier(machine))
    assert machine.names().count("give_part") > 5
    found = checkpoint.load_newest(home.work())
    assert found is not None
    assert found[1]["padding"].size == 5000
    assert not list(home.work().rglob(".atelierd-tmp*"))


def test_a_checkpoint_that_is_cut_off_on_its_way_leaves_the_one_before(
    home: Home, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atelierd.cluster.bench.PART", 1000)
    monkeypatch.setattr("atelierd.cluster.bench.INLINE", 1500)
    carrier = home.carrier(machine)
    home.carry(carrier)
    machine.studio.padding = 5000

    def lost(name: str) -> None:
        if machine.names().count("give_part") == 3:
            raise NodeFault("the worker w1 was lost")

    machine.before = lost
    with pytest.raises(NodeFault, match="was lost"):
        home.carry(carrier)
    found = checkpoint.load_newest(home.work())
    assert found is not None
    assert found[0] == {"iteration": 1}
    assert not list(home.work().rglob(".atelierd-tmp*"))


@pytest.mark.parametrize(
    "fault", [JobFault("too small"), NodeFault("died"), OutOfMemoryFault("none left")]
)
def test_faults_arrive_as_what_they_are(home: Home, machine: Machine, fault: Exception) -> None:
    machine.studio.fails = fault
    with pytest.raises(type(fault), match=str(fault)):
        home.carry(home.carrier(machine))
    assert bool(machine.studio.replaced) is isinstance(fault, NodeFault)


def test_a_full_disk_of_the_workers_is_no_fault_of_the_render(home: Home, machine: Machine) -> None:
    machine.studio.fails = OSError(28, "No space left on device")
    with pytest.raises(WorldFault, match="no space is left"):
        home.carry(home.carrier(machine))


def test_an_answer_that_nobody_waits_for_any_more_is_not_written(
    home: Home, machine: Machine
) -> None:
    carrier = home.carrier(machine)

    def another(name: str) -> None:
        if name == "run_errand" and machine.studio.orders:
            home.fences.take("a.0")

    machine.before = another
    home.carry(carrier)
    with pytest.raises(NodeFault, match="nobody waited"):
        home.carry(carrier)
    assert "snapshot-000002.png" not in files(home)


def test_only_the_last_who_was_asked_may_write() -> None:
    fences = Fences()
    first = fences.take("a.0")
    second = fences.take("a.0")
    elsewhere = fences.take("b.0")
    written: list[str] = []
    with pytest.raises(NodeFault):
        first.write(lambda: written.append("first"))
    fences.leave("a.0", first)
    second.write(lambda: written.append("second"))
    elsewhere.write(lambda: written.append("elsewhere"))
    assert written == ["second", "elsewhere"]


def test_a_picture_that_is_gone_at_home_is_the_jobs_fault(home: Home, machine: Machine) -> None:
    order = home.order()
    for path in (home.state / "inputs").glob("??/*"):
        path.unlink()
    with pytest.raises(JobFault, match="put the job file into the inbox again"):
        home.carry(home.carrier(machine), order)


def test_given_up_it_asks_no_more(home: Home, machine: Machine) -> None:
    carrier = home.carrier(machine)
    machine.before = lambda name: carrier.give_up("it has not reported")
    with pytest.raises(NodeFault, match="it has not reported"):
        home.carry(carrier)
    assert len(machine.calls) == 1


def test_a_worker_that_asks_for_ever_is_given_up(home: Home, machine: Machine) -> None:
    machine.bench.run = lambda errand: Lacking((), work=True)  # type: ignore[method-assign]
    with pytest.raises(NodeFault, match="again and again"):
        home.carry(home.carrier(machine))


def test_segments_last_longer_where_coming_home_takes_its_time(
    home: Home, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("atelierd.cluster.carrier.time.monotonic", lambda: now[0])
    run = machine.bench.run

    def slowly(errand: object) -> Brought | Lacking:
        now[0] += 100.0
        return run(errand)  # type: ignore[arg-type]

    machine.bench.run = slowly  # type: ignore[method-assign]
    write = carrying._keep

    def writes(*arguments: object) -> None:
        now[0] += 0.1
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(carrying, "_keep", writes)
    carrier = home.carrier(machine)
    for _ in range(2):
        home.carry(carrier)
    home.carry(carrier, home.order(seconds=0.0))
    seconds = [order.seconds for order in machine.studio.orders]
    # Four files: 0.4 s, which are to be a twentieth of the time.
    assert seconds == pytest.approx([2.0, 8.0, 0.0])


def test_segments_last_longer_the_more_workers_there_are(home: Home, machine: Machine) -> None:
    crowd = [4]
    carrier = Carrier(machine.call, home, lambda: crowd[0])
    for crowd[0] in (4, 100, 2000):
        home.carry(carrier)
    seconds = [order.seconds for order in machine.studio.orders]
    assert seconds == pytest.approx([2.0, 10.0, LONGEST_SEGMENT])


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", ""])
def test_no_file_is_sent_to_where_it_does_not_belong(name: str) -> None:
    with pytest.raises(NodeFault, match="not to be trusted"):
        FileName("work", name)

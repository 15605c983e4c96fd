"""The service on a real systemd: ready, watched, stopped, started again, by night."""

from __future__ import annotations

import stat

import pytest
from PIL import Image
from tests.boot.served import ATELIERD, CONFIG, DAEMON, DRAIN, SHARE, TIMER, Served

#: Iterations of a render that does not end by itself while a test looks.
LONG = 9000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_it_is_ready_only_when_the_share_is_there_and_the_engine_has_computed(
    served: Served,
) -> None:
    machine = served.machine
    marker, aside = (served.inbox / name for name in (".atelierd-share", ".aside"))
    marker.rename(aside)
    try:
        machine.run("systemctl", "start", "--no-block", DAEMON)
        machine.wait_for(lambda: served.status().startswith("waits: "), "a STATUS that it waits")
        machine.wait_for(
            lambda: "computes on cpu" in machine.messages(DAEMON), "the engine's first result"
        )
        assert served.active() == "activating"
        assert machine.run("systemctl", "is-active", DAEMON, code=3).strip() == "activating"
    finally:
        aside.rename(marker)
    machine.wait_for(lambda: served.active() == "active", "READY")
    machine.wait_for(lambda: served.status() == "idle", "STATUS that says idle")
    messages = machine.messages(DAEMON)
    assert messages.index("computes on cpu") < messages.index("Started atelierd")


def test_status_names_job_and_iteration_and_the_pictures_come_into_the_outbox(
    served: Served,
) -> None:
    machine = served.machine
    served.start()
    served.drop("harbor", iterations=120)
    doing = served.doing("harbor")
    assert (doing.job, doing.iterations) == ("harbor", 120)
    picture = served.result("harbor")
    with Image.open(picture) as opened:
        assert max(opened.size) == 48
    uid = int(machine.run("id", "-u", "atelierd"))
    assert picture.stat().st_uid == uid, "the daemon's own user wrote it"


def test_a_share_that_belongs_to_a_group_is_written_for_that_group(served: Served) -> None:
    machine = served.machine
    machine.run("groupadd", "--force", "artists")
    machine.run("usermod", "--append", "--groups", "artists", "atelierd")
    machine.run("chown", "-R", "root:artists", SHARE)
    machine.run("chmod", "-R", "g+rwX", SHARE)
    machine.run("find", SHARE, "-type", "d", "-exec", "chmod", "g+s", "{}", "+")
    try:
        served.start()
        served.drop("shared", iterations=6)
        picture = served.result("shared")
        gid = int(machine.run("sh", "-c", "getent group artists | cut -d: -f3"))
        folder = picture.parent.stat()
        assert (picture.stat().st_gid, folder.st_gid) == (gid, gid)
        assert stat.S_IMODE(folder.st_mode) == 0o2775, "its members may tidy up, too"
        served.stop()
    finally:
        machine.run("chown", "-R", "atelierd:atelierd", SHARE)


def test_the_outbox_is_shown_to_this_machine_where_the_configuration_asks_for_it(
    served: Served,
) -> None:
    machine = served.machine
    machine.write(CONFIG, f"{served.configuration}http: {{address: '127.0.0.1:8765'}}\n")
    look = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8765/').status)"
    try:
        machine.run(ATELIERD, "systemd", "install")
        served.start()
        assert machine.run("/opt/atelierd/bin/python", "-c", look).strip() == "200"
        served.stop()
    finally:
        served.reset()
        machine.run(ATELIERD, "systemd", "install")


def test_the_service_sees_no_network_no_home_and_may_write_to_share_and_state_alone(
    served: Served,
) -> None:
    served.start()
    pid = served.main_pid()
    inside = ("nsenter", f"--target={pid}", "--mount", "--net", "--")
    interfaces = served.machine.run(*inside, "cat", "/proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
    served.machine.run(*inside, "touch", f"{SHARE}/outbox/.probe", "/var/lib/atelierd/.probe")
    for place in ("/etc/probe", "/opt/atelierd/probe", "/usr/probe", "/srv/probe", "/var/probe"):
        served.machine.run(*inside, "touch", place, code=1)
    served.machine.run(*inside, "ls", "/root/.profile", code=2)


def test_a_daemon_that_hangs_is_ended_by_the_watchdog_and_its_render_goes_on(
    served: Served,
) -> None:
    machine = served.machine
    served.drop_in(DAEMON, "[Service]\nWatchdogSec=15\nRestartSec=1\n")
    served.start()
    served.drop("watched", iterations=LONG)
    served.doing("watched", beyond=5)
    hung = served.main_pid()
    served.kill("STOP")
    machine.wait_for(lambda: "Watchdog timeout" in machine.messages(DAEMON), "the watchdog")
    machine.wait_for(
        lambda: served.active() == "active" and served.main_pid() not in (0, hung), "a restart"
    )
    assert machine.show(DAEMON, "NRestarts") == ("1",)
    assert "Fatal Python error: Aborted" in machine.messages(DAEMON), "and where it hung"
    first = served.doing("watched")
    served.doing("watched", beyond=first.iteration)
    served.cancel("watched")


def test_a_stop_leaves_a_checkpoint_from_which_the_next_start_goes_on(served: Served) -> None:
    machine = served.machine
    served.start()
    served.drop("stopped", iterations=LONG)
    before = served.doing("stopped", beyond=20)
    served.stop()
    assert machine.show(DAEMON, "ActiveState", "Result") == ("inactive", "success")
    assert "with a checkpoint" in machine.messages(DAEMON)
    assert not (served.outbox / "stopped" / "result.json").exists()
    served.start()
    assert served.doing("stopped").iteration >= before.iteration
    served.cancel("stopped")


def test_a_wrong_configuration_is_not_tried_again(served: Served) -> None:
    machine = served.machine
    served.drop_in(DAEMON, "[Service]\nRestartSec=1\n")
    machine.write(CONFIG, "inbox: 7\n")
    machine.run("systemctl", "start", DAEMON, code=1)
    # With a restart to come it would say activating, auto-restart.
    assert machine.show(DAEMON, "ActiveState", "SubState", "ExecMainStatus", "NRestarts") == (
        *("failed", "failed"),
        *("78", "0"),
    )
    assert f"{CONFIG}" in machine.messages(DAEMON), "the journal says what is wrong, and where"


def test_a_reload_takes_up_the_configuration_and_interrupts_nothing(served: Served) -> None:
    machine = served.machine
    served.start()
    pid = served.main_pid()
    machine.write(CONFIG, f"{served.configuration}max_renders: 77\n")
    machine.run("systemctl", "reload", DAEMON)
    machine.wait_for(
        lambda: "the configuration was read again" in machine.messages(DAEMON), "the reload"
    )
    machine.wait_for(lambda: served.active() == "active", "the end of the reload")
    assert served.main_pid() == pid


def test_another_end_than_a_wrong_configuration_is_tried_again(served: Served) -> None:
    machine = served.machine
    served.drop_in(DAEMON, "[Service]\nRestartSec=1\n")
    served.start()
    served.kill("KILL")
    machine.wait_for(lambda: machine.show(DAEMON, "NRestarts") == ("1",), "a restart")
    machine.wait_for(lambda: served.active() == "active", "READY again")


def test_the_timer_drains_the_inbox(served: Served) -> None:
    machine = served.machine
    served.drop("nightly", iterations=12)
    served.drop_in(
        TIMER, "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/10\nPersistent=no\nAccuracySec=100ms\n"
    )
    machine.run("systemctl", "start", TIMER)
    assert served.result("nightly").is_file()
    assert machine.show(TIMER, "LastTriggerUSec")[0] not in ("", "n/a")
    machine.run("systemctl", "stop", TIMER)
    machine.wait_for(lambda: served.active(DRAIN) in ("inactive", "failed"), "the drain's end")
    assert machine.show(DRAIN, "ActiveState", "Result") == ("inactive", "success")
    assert served.active() == "inactive", "the daemon itself stays as it was"


def test_the_journal_knows_whose_entries_they_are(served: Served) -> None:
    served.start()
    served.drop("told", iterations=6)
    served.result("told")
    served.stop()
    entries = served.machine.journal(DAEMON)
    of_job = [entry for entry in entries if "told" in str(entry.get("MESSAGE"))]
    assert of_job
    assert {entry["_SYSTEMD_UNIT"] for entry in of_job} == {DAEMON}
    assert {entry["ATELIERD_JOB"] for entry in of_job if "ATELIERD_JOB" in entry} == {"told"}


def test_uninstalled_it_is_gone_and_installed_for_nights_the_timer_is_enabled(
    served: Served,
) -> None:
    machine = served.machine
    assert machine.run("systemctl", "is-enabled", DAEMON).strip() == "enabled"
    machine.run("systemd-analyze", "verify", f"/etc/systemd/system/{DAEMON}")
    try:
        served.start()
        machine.run(ATELIERD, "systemd", "uninstall")
        assert machine.show(DAEMON, "LoadState", "ActiveState") == ("not-found", "inactive")
        left = [
            *machine.path("/etc/systemd/system").rglob("atelierd*"),
            *machine.path("/etc/sysusers.d").glob("atelierd*"),
            *machine.path("/etc/tmpfiles.d").glob("atelierd*"),
        ]
        assert left == []
        assert machine.path("/var/lib/atelierd/ledger.sqlite").exists()
        machine.run(ATELIERD, "systemd", "install", "--nights")
        assert machine.run("systemctl", "is-enabled", TIMER).strip() == "enabled"
        assert machine.run("systemctl", "is-enabled", DAEMON, code=1).strip() == "disabled"
    finally:
        machine.run(ATELIERD, "systemd", "install")
    assert machine.run("systemctl", "is-enabled", TIMER, code=1).strip() == "disabled"


def test_a_share_that_is_unmounted_and_mounted_again_is_one_for_the_service_too(
    served: Served,
) -> None:
    machine = served.machine
    machine.run("mkdir", "-p", "/mnt/disk")
    machine.run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/media")
    machine.run("mount", "--bind", "/media", "/mnt/disk")
    try:
        config, state = "/media/atelierd.yaml", "/var/lib/atelierd"
        machine.run(ATELIERD, "init", "/mnt/disk", "--config", config, "--state", state)
        machine.run(
            "cp", "-r", f"{SHARE}/inbox/photo.png", f"{SHARE}/inbox/style.png", "/media/inbox"
        )
        machine.run("chown", "-R", "atelierd:atelierd", "/media")
        machine.write(CONFIG, served.configuration.replace(SHARE, "/mnt/disk"))
        machine.run(ATELIERD, "systemd", "install")
        served.start()
        # Busy for the moment in which the daemon looks at it.
        machine.wait_for(
            lambda: not machine.run("sh", "-c", "umount /mnt/disk || echo busy"), "the unmounting"
        )
        machine.wait_for(lambda: served.status().startswith("waits: "), "a STATUS that it waits")
        machine.run("mount", "--bind", "/media", "/mnt/disk")
        machine.wait_for(lambda: served.status() == "idle", "the share, mounted again")
        machine.run("sh", "-c", f"echo '{served.job(iterations=6)}' > /media/inbox/again.yaml")
        machine.wait_for(
            lambda: machine.run("ls", "/media/outbox/again/result.json", code=None), "the result"
        )
    finally:
        served.stop()
        machine.run("umount", "/mnt/disk", "/media", code=None)
        served.reset()
        machine.run(ATELIERD, "systemd", "install")

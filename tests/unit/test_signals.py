import os
import signal
import threading
import time

from atelierd.signals import StopSignals, Wake


def test_one_signal_asks_for_a_stop_and_two_for_one_at_once() -> None:
    wake = Wake()
    signals = StopSignals(wake.set)

    def asked() -> tuple[bool, bool]:
        return signals.stop, signals.now

    with signals.caught():
        assert asked() == (False, False)
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked() == (True, False)
        os.kill(os.getpid(), signal.SIGINT)
        assert asked() == (True, True)


def test_a_signal_ends_the_sleep() -> None:
    wake = Wake()
    signals = StopSignals(wake.set)
    before = time.monotonic()
    with signals.caught():
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        wake.wait(60)
    assert signals.stop
    assert time.monotonic() - before < 30


def test_after_the_block_the_signals_do_what_they_did_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals(lambda: None).caught():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_call_before_the_sleep_is_not_lost_and_one_before_a_clearing_is() -> None:
    wake = Wake()
    wake.set()
    wake.wait(60)
    wake.set()
    wake.clear()
    wake.wait(0.01)


def test_rule_19_a_storm_of_signals_never_blocks() -> None:
    wake = Wake()
    signals = StopSignals(wake.set)

    def storm() -> None:
        for _ in range(500):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.0002)

    with signals.caught():
        thread = threading.Thread(target=storm)
        thread.start()
        while thread.is_alive():
            wake.clear()
            wake.set()
            wake.wait(0.001)
        thread.join()
    assert signals.now

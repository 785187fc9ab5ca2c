"""Finds and ends the processes of a data folder that outlived their supervisor.

A process is ours only if its environment carries this data folder's random id, which we alone put there: neither a pid
that was given out anew nor a stranger's Kafka can be mistaken for one.
"""

from collections.abc import Sequence

import psutil

from glassbook.supervision import INSTANCE_VARIABLE, PROGRAM_VARIABLE

STAGE_STOP_S = 10
BROKER_STOP_S = 60
SUPERVISOR = "supervisor"


def find(instance_id: str) -> list[psutil.Process]:
    """All living processes of the instance, its supervisor included. A few milliseconds."""
    ours = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(INSTANCE_VARIABLE) == instance_id and process.status() != psutil.STATUS_ZOMBIE:
                ours.append(process)
        except (psutil.Error, OSError):  # gone meanwhile, or another user's
            continue
    return ours


def program(process: psutil.Process) -> str:
    """The name of the program that the process is: `broker-1`, `matcher`, or `supervisor`."""
    try:
        return str(process.environ().get(PROGRAM_VARIABLE, SUPERVISOR))
    except (psutil.Error, OSError):
        return ""


def end(instance_id: str) -> int:
    """Stop what is left in the order of a clean stop: supervisor, stages, brokers. Returns how many there were."""
    found = find(instance_id)
    # The supervisor first, or it would start again what is ended. SIGKILL, as a stop of its own would do this all.
    _end([process for process in found if program(process) == SUPERVISOR], 0)
    orphans = find(instance_id)  # again: it may just have started one
    brokers = [process for process in orphans if program(process).startswith("broker-")]
    _end([process for process in orphans if process not in brokers], STAGE_STOP_S)
    _end(brokers, BROKER_STOP_S)
    return len(found)


def kill(instance_id: str) -> None:
    """SIGKILL for all, until nothing is left."""
    while found := find(instance_id):
        found.sort(key=lambda process: program(process) != SUPERVISOR)
        _end(found, 0)


def _end(processes: Sequence[psutil.Process], patience_s: float) -> None:
    # psutil checks the start time before it sends a signal, so a pid given out anew is not hit.
    for process in processes if patience_s else ():
        try:
            process.terminate()
        except psutil.NoSuchProcess:
            continue
    alive = psutil.wait_procs(processes, timeout=patience_s)[1] if patience_s else processes
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=10)

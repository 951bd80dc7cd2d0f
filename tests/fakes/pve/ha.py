# SPDX-License-Identifier: Apache-2.0
"""ha.py - start and stop of a VM; under high availability the task only asks for it, and it is done some seconds later."""
import threading

from world import Task, TaskError


def power(calls, vm, user, on):
    if not vm.is_ha:
        return calls.start(vm, "qmstart" if on else "qmstop", user, lambda t: vm.power(t, on))
    return calls.start(vm, "hastart" if on else "hastop", user, lambda t: ask(vm, t, on))


def ask(vm, task, on):
    task.log(f"Requesting HA {'start' if on else 'stop'} for VM {vm.vmid}")
    timer = threading.Timer(vm.seconds["ha"], manage, (vm, on))
    timer.daemon = True
    timer.start()


def manage(vm, on):
    """The node's resource manager, whose task is root's."""
    task = Task(vm.world, vm.node, "qmstart" if on else "qmstop", vm.vmid, "root@pam")
    try:
        vm.power(task, on)
        task.end("OK")
    except TaskError as error:
        task.end(str(error))

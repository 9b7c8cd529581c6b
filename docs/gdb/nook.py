# SPDX-License-Identifier: MIT
"""Tasks of nook in gdb, of a live process or a core file.

    (gdb) source docs/gdb/nook.py
    (gdb) nook tasks              all tasks of all runs, as a tree
    (gdb) nook backtrace ID       where a parked task is; "all" for every one

Needs the library's debugging information, and no running code.
"""

import gdb
import gdb.unwinder


def number(value):
    return int(value)


def items(head, type_name, member):
    """The objects whose links are in a list, in its order."""
    kind = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    link = head["next"]
    char = gdb.lookup_type("char").pointer()
    while link != head.address:
        yield (link.cast(char) - offset).cast(kind.pointer()).dereference()
        link = link["next"]


def runs():
    try:
        head = gdb.parse_and_eval("nook__runs")
        gdb.lookup_type("struct nook__run")
    except gdb.error as error:
        raise gdb.GdbError("nook: no debugging information of the library") from error
    return items(head, "struct nook__run", "known")


def tasks(run):
    return items(run["tasks"], "struct nook__body", "all")


def text(pointer):
    return pointer.string(errors="replace") if number(pointer) != 0 else ""


def site(pointer):
    if number(pointer) == 0:
        return ""
    it = pointer.dereference()
    return "%s (%s:%d)" % (text(it["function"]), text(it["file"]), number(it["line"]))


def is_running(run, task):
    workers = run["workers"]
    count = 1 if number(run["schedule"]) else number(run["n_workers"])
    return any(number(workers[i]["current"]) == number(task.address) for i in range(count))


def state(run, task):
    if is_running(run, task):
        return "running"
    return "parked" if number(task["life"]["wait"]) != 0 else "ready"


def place(task):
    """What a parked task waits for, and where."""
    life = task["life"]
    wait = life["wait"].dereference()
    said = ", waits for %s" % (text(wait["kind"]) or "something")
    if number(life["at"]) != 0:
        return said + " in " + site(life["at"])
    caller = number(wait["caller"])
    if caller == 0:
        return said
    line = gdb.find_pc_line(caller - 1)
    block = gdb.block_for_pc(caller - 1)
    while block is not None and block.function is None:
        block = block.superblock
    name = block.function.name if block is not None else "0x%x" % caller
    if line.symtab is not None:
        return said + " in %s (%s:%d)" % (name, line.symtab.filename, line.line)
    return said + " in " + name


def describe(run, task):
    now = state(run, task)
    said = 'task %d "%s": %s' % (number(task["id"]), task["name"].string(), now)
    if now == "parked":
        said += place(task)
    if number(task["event"]["worker"]) != 0:
        said += ", worker %d" % number(task["event"]["worker"])
    if number(task["site"]) != 0:
        said += ", spawned in " + site(task["site"])
    return said


def print_tree(run):
    all_tasks = list(tasks(run))
    known = {number(task["id"]) for task in all_tasks}
    children, roots = {}, []
    for task in all_tasks:
        parent = number(task["parent"])
        (children.setdefault(parent, []) if parent in known else roots).append(task)
    waiting = [(task, 1) for task in reversed(roots)]
    while waiting:
        task, depth = waiting.pop()
        print("  " * depth + describe(run, task))
        below = children.get(number(task["id"]), [])
        waiting.extend((child, depth + 1) for child in reversed(below))


# --- stacks that nobody runs on ---------------------------------------------------


def words(address, names):
    """Registers that were stored one after the other."""
    word = gdb.lookup_type("unsigned long").pointer()
    at = gdb.Value(address).cast(word)
    return {name: number(at[i]) for i, name in enumerate(names) if name}


def has_own_switch():
    try:
        gdb.parse_and_eval("(long)&nook__switch_start")
    except gdb.error:
        return False
    return True


def saved_by_ucontext(sp):
    machine = sp.cast(gdb.lookup_type("ucontext_t").pointer())["uc_mcontext"]
    places = {"r12": 4, "r13": 5, "r14": 6, "r15": 7, "rbp": 10, "rbx": 11, "rsp": 15, "rip": 16}
    return {name: number(machine["gregs"][i]) for name, i in places.items()}


def saved_on_stack(sp, architecture):
    """The layouts of lib/task/switch_*.S."""
    if "aarch64" in architecture:
        names = ["x%d" % i for i in range(19, 31)]
        registers = words(sp, names)
        registers.update(sp=sp + 22 * 8, pc=registers["x30"])
        return registers
    registers = words(sp, [None, "r15", "r14", "r13", "r12", "rbx", "rbp", "rip"])
    registers["rsp"] = sp + 8 * 8
    return registers


def registers_of(task):
    sp = task["event"]["sw"]["sp"]
    if not has_own_switch():
        return saved_by_ucontext(sp)
    return saved_on_stack(number(sp), gdb.selected_frame().architecture().name())


class Identity:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Hop(gdb.unwinder.Unwinder):
    """While it is set, the innermost frame of the thread was called by a task's.

    Registers of a core file cannot be written. But what is below a frame is what an
    unwinder says it is.
    """

    def __init__(self):
        super().__init__("nook task")
        self.registers = None

    def __call__(self, pending):
        if self.registers is None or pending.level() != 0:
            return None
        pc = "pc" if "pc" in self.registers else "rip"
        sp = "sp" if "sp" in self.registers else "rsp"
        identity = Identity(pending.read_register(sp), pending.read_register(pc))
        info = pending.create_unwind_info(identity)
        for name, value in self.registers.items():
            kind = pending.read_register(name).type
            info.add_saved_register(name, gdb.Value(value).cast(kind))
        return info


hop = Hop()
gdb.unwinder.register_unwinder(None, hop, replace=True)


def print_frame(level, frame):
    line = frame.find_sal()
    where = ""
    if line.symtab is not None:
        where = " at %s:%d" % (line.symtab.filename, line.line)
    print("    #%-2d %s%s" % (level, frame.name() or "0x%x" % frame.pc(), where))


def print_backtrace(task):
    hop.registers = registers_of(task)
    gdb.invalidate_cached_frames()
    try:
        frame = gdb.newest_frame().older()
        level = 0
        while frame is not None:
            print_frame(level, frame)
            last, frame = frame, frame.older()
            level += 1
        reason = last.unwind_stop_reason()
        ends = (gdb.FRAME_UNWIND_NO_REASON, gdb.FRAME_UNWIND_OUTERMOST)
        if reason not in ends:
            print("    (broken: %s)" % gdb.frame_stop_reason_string(reason))
    finally:
        hop.registers = None
        gdb.invalidate_cached_frames()


class Nook(gdb.Command):
    """Tasks of nook: nook tasks, nook backtrace ID, nook backtrace all."""

    def __init__(self):
        super().__init__("nook", gdb.COMMAND_STACK, prefix=True)


class Tasks(gdb.Command):
    """All tasks of all runs, as a tree of who spawned whom."""

    def __init__(self):
        super().__init__("nook tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for run in runs():
            print("nook: run %d, %d tasks" % (number(run["number"]), len(list(tasks(run)))))
            print_tree(run)


class Backtrace(gdb.Command):
    """Where a parked or ready task is: its number, or all."""

    def __init__(self):
        super().__init__("nook backtrace", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        found = False
        for run in runs():
            for task in tasks(run):
                if argument not in ("all", str(number(task["id"]))):
                    continue
                found = True
                print(describe(run, task))
                if number(task["event"]["sw"]["sp"]) != 0 and not is_running(run, task):
                    print_backtrace(task)
        if not found:
            raise gdb.GdbError("nook: no such task")


Nook()
Tasks()
Backtrace()

"""Walls that a process of Linux puts around itself before it runs code of a stranger: it reads what
is installed, writes nothing, and reaches no network and no other process.

Two of the kernel's means, neither of which needs a privilege or can be undone: Landlock says which
files may be opened, seccomp which system calls are answered. What is not named here is refused
with EPERM, which Python raises as PermissionError.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ifonly.models.errors import GraphError

_NUMBERS = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69
pwritev:296:70 preadv2:327:286 pwritev2:328:287 open:2:- openat:257:56 close:3:57
close_range:436:436 stat:4:- fstat:5:80 lstat:6:- newfstatat:262:79 statx:332:291
statfs:137:43 fstatfs:138:44 lseek:8:62 access:21:- faccessat:269:48 faccessat2:439:439
getcwd:79:17 getdents:78:- getdents64:217:61 readlink:89:- readlinkat:267:78 ftruncate:77:46
fallocate:285:47 fsync:74:82 fdatasync:75:83 fadvise64:221:223 memfd_create:319:279 dup:32:23
dup2:33:- dup3:292:24 pipe:22:- pipe2:293:59 sendfile:40:71 copy_file_range:326:285 mmap:9:222
mprotect:10:226 munmap:11:215 mremap:25:216 madvise:28:233 brk:12:214 mincore:27:232
msync:26:227 mlock:149:228 mlock2:325:284 munlock:150:229 membarrier:324:283
get_mempolicy:239:236 set_mempolicy:238:237 mbind:237:235 pkey_alloc:330:289 pkey_free:331:290
pkey_mprotect:329:288 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139
rt_sigpending:127:136 rt_sigtimedwait:128:137 rt_sigsuspend:130:133 sigaltstack:131:132
pause:34:- poll:7:- ppoll:271:73 select:23:- pselect6:270:72 epoll_create:213:-
epoll_create1:291:20 epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 eventfd:284:-
eventfd2:290:19 futex:202:98 futex_waitv:449:449 set_robust_list:273:99
get_robust_list:274:100 set_tid_address:218:96 rseq:334:293 restart_syscall:219:128
arch_prctl:158:- prctl:157:167 exit:60:93 exit_group:231:94 sched_yield:24:124
sched_getaffinity:204:123 sched_getparam:143:121 sched_getscheduler:145:120
sched_get_priority_max:146:125 sched_get_priority_min:147:126 getcpu:309:168 nanosleep:35:101
clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169
time:201:- times:100:153 alarm:37:- setitimer:38:103 getitimer:36:102 getrusage:98:165
getrlimit:97:163 getpriority:140:141 uname:63:160 sysinfo:99:179 getpid:39:172 gettid:186:178
getppid:110:173 getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177
getgroups:115:158 getresuid:118:148 getresgid:120:150 getpgrp:111:- getpgid:121:155
getsid:124:156 umask:95:166 getrandom:318:278 wait4:61:260 waitid:247:95
"""
"""System calls that are answered: name, and number on x86-64 and on 64-bit ARM."""
_ASKED = {
    "clone": (56, 220), "tgkill": (234, 131), "prlimit64": (302, 261), "ioctl": (16, 29),
    "fcntl": (72, 25), "clone3": (435, 435),
}  # fmt: skip
"""System calls that are answered if an argument is as it should be; ``clone3`` is said to be
unknown, so that ``clone`` is asked, whose flags can be seen."""
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Column of the numbers above, and what the kernel calls the machine (``AUDIT_ARCH_…``)."""
_SECCOMP = {"x86_64": 317, "aarch64": 277}

_CLONE_THREAD = 0x10000
_IOCTLS = (0x5401, 0x5413, 0x5421, 0x541B, 0x5450, 0x5451)
"""Is it a terminal, how wide, how much is to be read; without waiting; closed on exec, or not."""
_FCNTLS = (0, 1, 2, 3, 4, 1030, 1031, 1032, 1034)
"""Duplicates and flags of descriptors, sizes of pipes, seals. No owner who is sent a signal, no
lock of a file."""

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
_FACTS = (
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system", "/etc/ld.so.cache",
    "/etc/localtime", "/usr/share/zoneinfo", "/usr/lib", "/usr/lib64", "/lib", "/lib64",
    "/usr/local/lib",
)  # fmt: skip
_LANDLOCK = (444, 445, 446)
"""Create a ruleset, add to it, be bound by it: the same numbers on every machine."""
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights over files a version of Landlock knows; later ones know no more."""
_NO_NEW_PRIVILEGES = 38
_SYNC_THREADS = 1


def is_possible() -> bool:
    """Whether this machine has these walls: Linux from 5.13 on, with Landlock, on x86-64 or ARM."""
    if not sys.platform.startswith("linux") or platform.machine() not in _MACHINES:
        return False
    return sys.byteorder == "little" and _version() >= 1


def confine(memory_bytes: int, seconds: float, file_bytes: int) -> None:
    """For good, of this process and all its threads. Files without a name, which are memory, may be
    as long as ``file_bytes``.

    Raises
    ------
    GraphError
        If this machine does not have such walls, or refuses one.
    """
    if not is_possible():
        raise GraphError("this machine has no Landlock and seccomp (Linux from 5.13 on)")
    limit(memory_bytes, seconds, file_bytes)
    libc = ctypes.CDLL(None, use_errno=True)
    _done(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    _only_files(libc, _readable())
    _only_calls(libc)


def limit(memory_bytes: int, seconds: float, file_bytes: int) -> None:
    """Address space, processor time from now on, length of a file: what every Unix can limit."""
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime + seconds) + 1
    for what, soft, most in (
        (resource.RLIMIT_AS, memory_bytes, memory_bytes),
        # First a signal that says why; whoever ignores it is killed a second later.
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, file_bytes, file_bytes),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        hard = resource.getrlimit(what)[1]
        # The hard limit, too: a soft one can be raised again.
        hard = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (min(soft, hard), hard))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _done(result: int, what: str) -> int:
    if result < 0:
        raise GraphError(f"this machine refuses {what}: {os.strerror(ctypes.get_errno())}")
    return result


# --- files ----------------------------------------------------------------------------------------


def _version() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    return int(libc.syscall(_LANDLOCK[0], None, ctypes.c_size_t(0), 1))


def _readable() -> Iterator[Path]:
    """What Python and libraries are made of."""
    package = Path(__file__).parents[2]
    home = package.parent
    yield from map(Path, (sys.prefix, sys.base_prefix, *_FACTS, *_DEVICES))
    # In a checkout, the packages and nothing else of what may lie there.
    yield from (package, *(package / part for part in ("models", "service", "explainers")))
    yield from (path for path in map(Path, filter(None, sys.path)) if path.resolve() != home)
    if home.name in ("site-packages", "dist-packages"):
        yield home


def _only_files(libc: ctypes.CDLL, readable: Iterable[Path]) -> None:
    """Nothing is opened but ``readable`` and what is below it, and that to be read."""
    # All rights there are, execution and writing among them, are taken; reading is given back.
    handled = (1 << _RIGHTS[min(_version(), max(_RIGHTS))]) - 1
    attributes = struct.pack("<Q", handled)
    create, add, restrict = _LANDLOCK
    rules = _done(libc.syscall(create, attributes, ctypes.c_size_t(8), 0), "Landlock")
    for path in dict.fromkeys(readable):
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not here, and so not read either
            continue
        allowed = _READ_FILE | (_READ_DIR if path.is_dir() else 0)
        rule = struct.pack("<Qi", allowed, place)
        _done(libc.syscall(add, rules, 1, rule, 0), "Landlock")
        os.close(place)
    _done(libc.syscall(restrict, rules, 0), "Landlock")
    os.close(rules)


# --- system calls ---------------------------------------------------------------------------------

_LOAD, _EQUAL, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16
Step = tuple[int, int, int, int]
"""Code, steps to skip if true, if false, and a constant: of the filter's machine."""


def _only_calls(libc: ctypes.CDLL) -> None:
    steps = list(call_filter(platform.machine(), os.getpid()))
    code = b"".join(struct.pack("<HBBI", *step) for step in steps)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(kept))
    number = _SECCOMP[platform.machine()]
    _done(libc.syscall(number, 1, _SYNC_THREADS, program), "seccomp")


def call_filter(machine: str, process: int) -> Iterator[Step]:
    """The steps by which the kernel decides of each system call of ``process``."""
    column, kernels_name = _MACHINES[machine]
    yield _LOAD, 0, 0, _MACHINE
    yield _EQUAL, 1, 0, kernels_name
    # Calls by another machine's numbers, which these say nothing of.
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _NUMBER
    for entry in _NUMBERS.split():
        number = entry.split(":")[1 + column]
        if number != "-":
            yield from _if(_EQUAL, int(number), [(_RETURN, 0, 0, _ALLOW)])
    asked = {name: numbers[column] for name, numbers in _ASKED.items()}
    unknown = (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    yield from _if(_EQUAL, asked["clone3"], [unknown])
    threads = [
        (_LOAD, 0, 0, _argument(0)),
        (_AND, 0, 0, _CLONE_THREAD),
        *_among((_CLONE_THREAD,)),
    ]
    yield from _if(_EQUAL, asked["clone"], threads)
    yield from _if(_EQUAL, asked["tgkill"], [(_LOAD, 0, 0, _argument(0)), *_among((process,))])
    # Of limits, only those that are asked for: no new ones, in either half of a pointer.
    new = [(_LOAD, 0, 0, _argument(2)), (_EQUAL, 1, 0, 0), _refused(), (_LOAD, 0, 0, _high(2))]
    yield from _if(_EQUAL, asked["prlimit64"], [*new, *_among((0,))])
    yield from _if(_EQUAL, asked["ioctl"], [(_LOAD, 0, 0, _argument(1)), *_among(_IOCTLS)])
    yield from _if(_EQUAL, asked["fcntl"], [(_LOAD, 0, 0, _argument(1)), *_among(_FCNTLS)])
    yield _refused()


def _argument(k: int) -> int:
    """The lower half of an argument, as the kernel takes flags, commands and processes."""
    return _ARGUMENTS + 8 * k


def _high(k: int) -> int:
    return _argument(k) + 4


def _refused() -> Step:
    return _RETURN, 0, 0, _ERRNO | errno.EPERM


def _among(values: Iterable[int]) -> list[Step]:
    """Allowed if what was loaded is one of ``values``, else refused."""
    found: list[Step] = []
    for value in values:
        found += _if(_EQUAL, value, [(_RETURN, 0, 0, _ALLOW)])
    return [*found, _refused()]


def _if(code: int, constant: int, then: list[Step]) -> list[Step]:
    return [(code, 0, len(then), constant), *then]

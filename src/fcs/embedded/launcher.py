"""Becomes the process that Postgres wants to be started as, and then turns into Postgres.

    python -I -S launcher.py PARENT FOLDER PROGRAM ARGUMENT...
    python -I -S launcher.py reach FOLDER PATH

Without a FOLDER (an empty one) the program is not Postgres but one of ours: it stays who it is.
The second form only asks whether that process could get to a path; the exit code is `CLOSED` if
it could not.

It is a program of its own because its steps are not safe between the fork and the exec of a
process that has threads. It must not import anything of fcs.

- Postgres refuses to run as root. Root therefore enters a user namespace in which it has the
  number of an ordinary user: files stay root's, and no account is needed. Where the folder belongs
  to somebody else it becomes that user; where the kernel refuses the namespace (many containers)
  it becomes an ordinary one and gives the folder away, once it is sure that they can reach it.
- With PARENT other than 0, Linux sends a signal when the thread that started us ends, even by
  SIGKILL: to Postgres a SIGINT (shut down at once, cleanly), to our own a SIGTERM (drain).
"""

import os
import pwd
import signal
import sys
from collections.abc import Callable

# All imports come first: the user we become may not be able to read Python's own files.
try:
    import ctypes
except ImportError:  # a Python built without libffi: no namespace, and PARENT is 0
    ctypes = None  # type: ignore[assignment]

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1

CLOSED = 3


def main(parent: int, folder: str, command: list[str]) -> None:
    if folder:
        become_fit_for_postgres(folder, command[0])

    # Only now: a change of user makes the kernel forget the signal.
    if parent:
        die_with(parent, signal.SIGINT if folder else signal.SIGTERM)

    for path in filter(None, (command[0], folder)):
        if not os.access(path, os.X_OK):
            sys.exit(
                f"fcs: {path} cannot be reached by user {os.geteuid()}, who is to run Postgres"
            )
    os.execv(command[0], command)


def become_fit_for_postgres(folder: str, program: str) -> None:
    if os.geteuid() == 0:
        shed_root(folder, program)
    elif not has_name(os.geteuid()) and namespace_works():
        enter_namespace()  # initdb insists on a user that has a name


def shed_root(folder: str, program: str) -> None:
    owner = os.stat(folder)
    if (user := find_successor(owner)) is None:
        enter_namespace()
        return

    # First: a folder that was given away for nothing would be a stranger's for good.
    for path in (program, folder):
        if closed := find_closed(path, user):
            sys.exit(
                f"fcs: {closed} is closed to user {user[0]}, "
                f"who is to run Postgres and needs {path}"
            )
    if owner.st_uid == 0:
        give(folder, user)
    become(user)


def find_successor(owner: os.stat_result) -> tuple[int, int] | None:
    """Find who is to run Postgres instead of root; nobody where a namespace makes that needless."""
    if owner.st_uid != 0:
        return owner.st_uid, owner.st_gid
    if namespace_works():
        return None
    account = find_account("postgres", "nobody")
    return account.pw_uid, account.pw_gid


def find_closed(path: str, user: tuple[int, int]) -> str | None:
    """Find the first folder on the way to `path` that the user cannot enter."""
    place = os.path.dirname(path)
    above = find_closed(place, user) if place != path else None
    if above or not os.path.isdir(place):  # what is not there yet will be made
        return above

    def enter() -> None:
        become(user)
        os.stat(os.path.join(place, "."))

    return None if works_in_child(enter) else place


def is_reachable(path: str, *, folder: str) -> bool:
    """Tell root whether a Postgres in that folder (perhaps one to be) can get to a path."""
    made = folder
    while not os.path.exists(made):
        made = os.path.dirname(made)
    try:
        user = find_successor(os.stat(made))
    except SystemExit:
        return True  # nobody to be: no other folder would help, and the start says so
    return user is None or find_closed(path, user) is None


def become(user: tuple[int, int]) -> None:
    os.setgroups([])
    os.setgid(user[1])
    os.setuid(user[0])


def give(folder: str, user: tuple[int, int]) -> None:
    os.chown(folder, *user)
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            os.chown(os.path.join(parent, name), *user, follow_symlinks=False)


def namespace_works() -> bool:
    """Try in a child: a namespace that was entered half-way cannot be left again."""
    return sys.platform.startswith("linux") and works_in_child(enter_namespace)


def works_in_child(act: Callable[[], None]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:  # noqa: BLE001 - whatever it is, the answer is no
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def enter_namespace() -> None:
    """Go on as an ordinary user in a namespace where that means who we are now."""
    account = find_account("nobody", "postgres")
    uid, gid = os.geteuid(), os.getegid()
    call_libc("unshare", _CLONE_NEWUSER)
    write("/proc/self/uid_map", f"{account.pw_uid} {uid} 1")
    write("/proc/self/setgroups", "deny")
    write("/proc/self/gid_map", f"{account.pw_gid} {gid} 1")


def find_account(*names: str) -> pwd.struct_passwd:
    """Find an ordinary user by one of the names, or any at all."""
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    for account in pwd.getpwall():
        if account.pw_uid != 0:
            return account
    sys.exit("fcs: Postgres refuses to run as root, and there is no other user here")


def has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def die_with(parent: int, sign: int) -> None:
    call_libc("prctl", _PR_SET_PDEATHSIG, sign)

    # The parent may have died before the kernel knew whom to tell.
    if os.getppid() != parent:
        sys.exit("fcs: the process that started this one is gone")


def call_libc(function: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*map(ctypes.c_ulong, arguments)) != 0:
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    if sys.argv[1] == "reach":
        sys.exit(0 if is_reachable(sys.argv[3], folder=sys.argv[2]) else CLOSED)
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])

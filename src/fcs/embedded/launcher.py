"""Becomes the process that Postgres wants to be started as, and then turns into Postgres.

    python -I -S launcher.py PARENT FOLDER PROGRAM ARGUMENT...

Without a FOLDER (an empty one) the program is not Postgres but one of ours: it stays who it is.

It is a program of its own because its steps are not safe between the fork and the exec of a
process that has threads. It must not import anything of fcs.

- Postgres refuses to run as root. Root therefore enters a user namespace in which it has the
  number of an ordinary user: files stay root's, and no account is needed. Where the kernel refuses
  that (many containers), or where the folder belongs to somebody else, it becomes that user.
- With PARENT other than 0, Linux sends a signal when the thread that started us ends, even by
  SIGKILL: to Postgres a SIGINT (shut down at once, cleanly), to our own a SIGTERM (drain).
"""

import os
import pwd
import signal
import sys

# All imports come first: the user we become may not be able to read Python's own files.
try:
    import ctypes
except ImportError:  # a Python built without libffi: no namespace, and PARENT is 0
    ctypes = None  # type: ignore[assignment]

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main(parent: int, folder: str, command: list[str]) -> None:
    if folder:
        become_fit_for_postgres(folder)

    # Only now: a change of user makes the kernel forget the signal.
    if parent:
        die_with(parent, signal.SIGINT if folder else signal.SIGTERM)

    for path in filter(None, (command[0], folder)):
        if not os.access(path, os.X_OK):
            sys.exit(
                f"fcs: {path} cannot be reached by user {os.geteuid()}, who is to run Postgres"
            )
    os.execv(command[0], command)


def become_fit_for_postgres(folder: str) -> None:
    if os.geteuid() == 0:
        shed_root(folder)
    elif not has_name(os.geteuid()) and namespace_works():
        enter_namespace()  # initdb insists on a user that has a name


def shed_root(folder: str) -> None:
    owner = os.stat(folder)
    if owner.st_uid != 0:
        become(owner.st_uid, owner.st_gid)
    elif namespace_works():
        enter_namespace()
    else:
        account = find_account("postgres", "nobody")
        give(folder, account)
        become(account.pw_uid, account.pw_gid)


def become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def give(folder: str, account: pwd.struct_passwd) -> None:
    os.chown(folder, account.pw_uid, account.pw_gid)
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(parent, name)
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def namespace_works() -> bool:
    """Try in a child: a namespace that was entered half-way cannot be left again."""
    if not sys.platform.startswith("linux"):
        return False
    child = os.fork()
    if child == 0:
        try:
            enter_namespace()
        except Exception:  # noqa: BLE001 - whatever it is, the answer is no
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
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])

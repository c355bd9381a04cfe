"""The data folder: private, ours, and holding one cluster of one major version.

fcs.lock        held by the process that runs the server
pg18/           the cluster
pg18-N.new/     a cluster in the making; without its rename it never was
postgres.log    what the server said
.s.PGSQL.5432   the socket, unless the path cannot be one
"""

import errno
import hashlib
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from fcs.embedded.binaries import Binaries
from fcs.embedded.errors import PostgresFailed, UnusableFolder
from fcs.embedded.launch import dismiss, is_reachable, launch

_SOCKET_PATH_BYTES_MAX = 103  # macOS; Linux has room for four more
_LOG_BYTES_MAX = 4_000_000
_CLOSED = re.compile(r"^fcs: ((.+) is closed to user .*)$", re.MULTILINE)
_OURS = re.compile(r"fcs\.lock|pg\d+(-\d+\.new)?|postgres\.log(\.old)?|\.s\.PGSQL\..*")


def choose_folder(wanted: Path, spare: Path) -> Path:
    """Return the wanted folder, or the spare one where root's Postgres could not get at the other.

    Postgres refuses to run as root, and the home of root is closed to everybody else. Data that
    are in one of the two already stay there.
    """
    if os.geteuid() != 0:
        return wanted
    for folder in (wanted, spare):
        if major_of_data(folder) is not None:
            return folder
    place = str(wanted.absolute())
    return wanted if is_reachable(place, folder=place) else spare


def make_private(folder: Path) -> None:
    """Create the folder, or check that an existing one is ours; only its owner may enter.

    Whoever reaches the socket is the superuser: the folder is the password.
    """
    if folder.exists():
        _refuse_foreign(folder)
    else:
        _create(folder)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def _refuse_foreign(folder: Path) -> None:
    # Desktops, editors and log rotation leave files everywhere; the data are ours all the same.
    if major_of_data(folder) is not None or (folder / "fcs.lock").exists():
        return
    foreign = [path.name for path in folder.iterdir() if not _OURS.fullmatch(path.name)]
    if foreign:
        raise UnusableFolder(
            f"{folder} is not a data folder of fcs: it holds {min(foreign)}",
            hint="choose an empty or a new folder with --data",
        )


def _create(folder: Path) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    # `sudo` often keeps HOME: what root makes in somebody's home shall stay that person's.
    home = missing[-1].parent.stat() if missing else folder.stat()
    for path in missing:
        give_to(path, home)


def give_to(path: Path | int, owner: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def major_of_data(folder: Path) -> int | None:
    """Return the version of the newest cluster in the folder."""
    majors = [int(path.name[2:]) for path in folder.glob("pg*") if path.name[2:].isdecimal()]
    return max(majors, default=None)


def make_cluster(folder: Path, binaries: Binaries) -> Path:
    """Return the cluster, made first if need be; killed at any point, it can be called again."""
    cluster = folder / f"pg{binaries.major}"
    if not cluster.exists():
        # A name of our own: the programs of a start that was killed may still be writing.
        unfinished = folder / f"pg{binaries.major}-{os.getpid()}.new"
        _remove_unfinished(folder)
        _initdb(unfinished, folder, binaries)
        unfinished.rename(cluster)
        _remove_unfinished(folder)
        _sync(folder)
    return cluster


def _remove_unfinished(folder: Path) -> None:
    for unfinished in folder.glob("pg*.new"):
        shutil.rmtree(unfinished, ignore_errors=True)


def _initdb(cluster: Path, folder: Path, binaries: Binaries) -> None:
    command = [
        binaries.program("initdb"),
        f"--pgdata={cluster}",
        "--username=postgres",
        "--auth-local=trust",  # not `peer`: in a namespace everybody looks like one user
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
    ]
    if binaries.major >= 17:
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]

    process = launch(command, folder=folder, output=subprocess.PIPE)
    assert process.stdout
    try:
        with process.stdout as stdout:
            output = stdout.read().decode("utf-8", "replace")
    except BaseException:
        process.terminate()
        raise
    finally:
        process.wait()
        dismiss(process)

    if process.returncode != 0:
        shutil.rmtree(cluster, ignore_errors=True)
        raise failure(
            folder,
            output,
            f"initdb failed in {folder}",
            hint="free some disk space, choose another folder with --data, "
            "or give the URL of a running Postgres with --database",
        )


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def socket_folder(folder: Path) -> Path:
    """Return where the socket goes: the data folder, or a short name that stands for it."""
    longest_name = ".s.PGSQL.65535"
    fits = len(os.fsencode(folder / longest_name)) <= _SOCKET_PATH_BYTES_MAX
    if fits and "," not in str(folder):  # to a driver, a comma separates hosts
        return folder
    return Path("/tmp") / f"fcs-{hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()}"


def make_socket_folder(folder: Path) -> None:
    short = socket_folder(folder)
    if short == folder:
        return

    owner = folder.stat()
    try:
        short.mkdir(mode=0o700)
        give_to(short, owner)
    except FileExistsError:
        pass

    # Anybody can create names in /tmp, so trust it only if nobody else can have a hand in it.
    found = short.lstat()
    if (found.st_uid, found.st_mode & 0o170077) != (owner.st_uid, 0o040000):
        raise UnusableFolder(
            f"{short} does not belong to the owner of {folder}",
            hint=f"remove {short}, or choose a shorter folder with --data",
        )


def remove_socket_folder(folder: Path) -> None:
    short = socket_folder(folder)
    if short != folder:
        try:
            short.rmdir()
        except OSError:
            pass  # never made, or a crashed server left its socket for the next one to replace


def open_log(folder: Path) -> int:
    """Open the server's log for appending; a long one is put aside first."""
    log = folder / "postgres.log"
    try:
        if log.stat().st_size > _LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.old"))
    except FileNotFoundError:
        pass
    return open_own(log, os.O_WRONLY | os.O_APPEND)


def open_own(path: Path, flags: int) -> int:
    """Open a file of the data folder, made if need be; what may be another one is refused.

    The folder may belong to somebody who would like to see root write into a file of root's, or
    give it away: by a link, or by moving it there.
    """
    try:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _open_existing(path, flags)
    give_to(fd, path.parent.stat())
    return fd


def _open_existing(path: Path, flags: int) -> int:
    try:
        # A pipe would make us wait for its other end.
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO):
            raise _no_own_file(path) from None
        raise
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(fd)
        raise _no_own_file(path)
    return fd


def _no_own_file(path: Path) -> UnusableFolder:
    return UnusableFolder(
        f"{path.parent} cannot be used: its {path.name} is a link or no file at all",
        hint=f"see what {path} is and remove it, or choose another folder with --data",
    )


def failure(folder: Path, output: str, what: str, *, hint: str) -> PostgresFailed | UnusableFolder:
    """Tell of a failed program by its output: that its user was kept out has a hint of its own."""
    if closed := _CLOSED.search(output):
        return UnusableFolder(
            f"{folder} cannot be used: {closed[1]}",
            hint=f"let that user through (chmod o+x {closed[2]}), or choose a place outside "
            f"{closed[2]}: with --data for the data, with --pg-bin for Postgres",
        )
    return PostgresFailed(f"{what}: {last_words(output)}", hint=hint)


def last_words(output: str) -> str:
    """Pick what a failed program had to say: the line that names the error, or the last one."""
    lines = [line for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"FATAL|PANIC|error:|^fcs:", line)]
    return (telling or lines or ["it said nothing"])[-1].strip()

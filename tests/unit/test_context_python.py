"""Build contexts: tar archives of folders, judged by Python's tarfile and by tar(1)."""

import io
import os
import random
import socket
import stat
import subprocess
import tarfile

import pytest

from unit_tools import tool


def archive(folder, piece=65536, **more):
    done = subprocess.run([tool("tool_context"), str(folder), str(piece)], capture_output=True, **more)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def refusal(folder):
    done = subprocess.run([tool("tool_context"), str(folder)], capture_output=True, check=False)
    assert done.returncode == 1
    return done.stderr.decode()


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8",
                      errors="surrogateescape") as tar:
        return {m.name: m for m in tar.getmembers()}


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "component"
    found.mkdir()
    (found / "Dockerfile").write_text("FROM scratch\n")
    return found


def fill(folder):
    """A folder with everything that may be in one."""
    rng = random.Random(3)
    for size in (0, 1, 511, 512, 513, 1024, 70000):
        (folder / f"file-{size}").write_bytes(rng.randbytes(size))
    (folder / "src/deep").mkdir(parents=True)
    (folder / "src/deep/main.py").write_text("print()\n")
    (folder / "src/run.sh").write_text("#!/bin/sh\n")
    (folder / "src/run.sh").chmod(0o4755)
    (folder / "empty").mkdir(mode=0o700)
    (folder / "link").symlink_to("src/run.sh")
    (folder / "dangling").symlink_to("/no/where")
    (folder / "folder-link").symlink_to("src")
    (folder / "far").symlink_to("t" * 150)
    (folder / "caf\u00e9 'q' \"\n").write_text("x")
    (folder / os.fsdecode(b"not-\xff-utf8")).write_text("x")
    for length in (98, 99, 100, 101, 200, 255):
        (folder / ("n" * length)).write_text(str(length))
    for depth in range(2, 8):  # over 100, 155 and 256 bytes
        path = folder / "/".join(["d" * 60] * depth)
        path.mkdir(parents=True)
        (path / "file").write_text(str(depth))
    (folder / "p" / ("q" * 150) / "r").mkdir(parents=True)
    (folder / "p" / ("q" * 154)).mkdir()
    (folder / "p" / ("q" * 154) / ("s" * 101)).write_text("s")
    os.utime(folder / "file-1", (-5, -5))
    os.utime(folder / "file-512", (1.75, 1234567890.75))


def assert_same(folder, found):
    seen = set()
    for root, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(root, name)
            relative = os.path.relpath(path, folder)
            info = os.lstat(path)
            m = found[relative]
            seen.add(relative)
            assert (m.uid, m.gid, m.uname, m.gname) == (0, 0, "", "")
            assert m.mtime == max(0, int(info.st_mtime // 1)), relative
            if stat.S_ISLNK(info.st_mode):
                assert m.issym() and m.linkname == os.readlink(path)
                continue
            assert m.mode == stat.S_IMODE(info.st_mode)
            assert m.isdir() if stat.S_ISDIR(info.st_mode) else m.isreg() and m.size == info.st_size
    assert seen == set(found)


def test_everything_arrives(folder, tmp_path):
    fill(folder)
    data = archive(folder)
    assert len(data) % 512 == 0 and data.endswith(b"\0" * 1024)
    assert_same(folder, members(data))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-xpf", "-", "-C", str(out)], input=data, check=True)
    subprocess.run(["diff", "-r", "--no-dereference", str(folder), str(out)], check=True)
    # the same order and the same bytes, however large the pieces
    assert archive(folder, 1) == archive(folder, 513) == archive(folder, 10 << 20) == data
    names = list(members(data))
    assert names == sorted(names, key=lambda n: [os.fsencode(part) for part in n.split("/")])


def test_large_numbers(folder):
    """Over 8 GiB, of which nothing is on the disk, and past the year 2242."""
    with (folder / "large").open("wb") as file:
        file.truncate((8 << 30) + 5)
    os.utime(folder / "large", (1, 1 << 34))
    mtime = int((folder / "large").stat().st_mtime)
    assert mtime > 8 ** 11
    with subprocess.Popen([tool("tool_context"), str(folder)], stdout=subprocess.PIPE) as made:
        with tarfile.open(fileobj=made.stdout, mode="r|") as tar:
            found = [tar.next(), tar.next()][1]  # the data is not of interest
        made.kill()
    assert (found.name, found.size, found.mtime) == ("large", (8 << 30) + 5, mtime)


def test_memory_does_not_grow_with_the_folder(folder):
    """Half a gigabyte, and many small files."""
    (folder / "many").mkdir()
    for i in range(20000):
        (folder / f"many/file-{i}").touch()
    with (folder / "large").open("wb") as file:
        file.truncate(512 << 20)
    with subprocess.Popen([tool("tool_context"), str(folder)], stdout=subprocess.PIPE) as made:
        total = 0
        while total < 512 << 20:
            total += len(made.stdout.read(1 << 20))
        # it waits until the names of the small files are taken
        with open(f"/proc/{made.pid}/status", encoding="ascii") as status:
            [peak] = [int(line.split()[1]) for line in status if line.startswith("VmHWM:")]
        made.stdout.read()
    assert made.returncode == 0
    assert peak < (32 << 10) * (8 if "asan" in tool("tool_context") else 1)  # KiB


def test_the_ignored_is_left_out(folder):
    for name in ("keep.py", "drop.log", "sub/drop.log", "sub/keep.log", "node/a/b.js", "node/a/c.css"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(folder / "ignored.log"))
    sock.close()
    (folder / ".dockerignore").write_text(
        "# what is not needed\n*\n!sub\n!keep.py\n**/*.log\n!sub/keep.log\nnode\n!node/**/*.css\n")
    assert sorted(members(archive(folder))) == [
        ".dockerignore", "Dockerfile", "keep.py", "node/a/c.css", "sub", "sub/keep.log"]


@pytest.mark.parametrize("kind, what", [("socket", "a socket"), ("pipe", "a named pipe"),
                                        ("device", "a device")])
def test_what_cannot_be_sent_is_refused_by_name(folder, kind, what):
    path = folder / "strange"
    if kind == "socket":
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        sock.close()
    elif kind == "pipe":
        os.mkfifo(path)
    elif os.geteuid():
        pytest.skip("only root makes devices")
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("no devices here")
    text = refusal(folder)
    assert text.startswith("Unreadable: ") and f"{path}: {what} cannot be sent" in text
    assert f"{folder}/.dockerignore" in text


def test_no_dockerfile(folder):
    (folder / "Dockerfile").unlink()
    assert refusal(folder).startswith(f"NoDockerfile: {folder}: there is no Dockerfile")


def test_a_file_that_may_not_be_read(folder):
    (folder / "secret").touch(mode=0)
    without_rights = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*without_rights, tool("tool_context"), str(folder)], capture_output=True)
    assert done.returncode == 1
    assert f"{folder}/secret: Permission denied; make it readable" in done.stderr.decode()


def test_a_wrong_dockerignore_is_told_with_its_line(folder):
    for text, line, part in (("a\n!\n", 2, "a `!` without"), ("[a\n", 1, "a `[` begins"),
                             ("ok\n\n# c\nx\\\n", 4, "a \\ at the end"), ("a\0b", 1, "NUL")):
        (folder / ".dockerignore").write_text(text)
        found = refusal(folder)
        assert found.startswith(f"InvalidDockerignore: {folder}/.dockerignore:{line}: ") and part in found


def test_a_file_that_grows_shorter(folder):
    """It is told, for its place in the archive has been promised already."""
    with (folder / "log").open("wb") as file:
        file.truncate(64 << 20)
    with subprocess.Popen([tool("tool_context"), str(folder), "4096"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as made:
        made.stdout.read(8192)
        (folder / "log").write_bytes(b"")
        made.stdout.read()
        assert "log: grew shorter while it was read" in made.stderr.read().decode()
    assert made.returncode == 1

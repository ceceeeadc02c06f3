"""A program on a pseudo-terminal, as a person sees it."""
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

SECONDS = 120  # until what is waited for must have come


class Terminal:
    """Runs a program with standard error on a terminal of `columns`, and standard output too if `output` says so."""

    def __init__(self, program, arguments, columns, output=False, **options):
        self.mine, other = pty.openpty()
        self.text = ""
        self.resize(columns)
        self.process = program.start(*arguments, stdin=subprocess.DEVNULL, stdout=other if output else subprocess.PIPE,
                                     stderr=other, **options)
        os.close(other)

    def resize(self, columns):
        fcntl.ioctl(self.mine, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self, seconds=SECONDS):
        """Takes what has come. False: nothing comes any more."""
        if not select.select([self.mine], [], [], seconds)[0]:
            raise TimeoutError(f"nothing on the terminal after {self.text[-500:]!r}")
        try:
            got = os.read(self.mine, 65536)
        except OSError:  # the other side is closed
            return False
        self.text += got.decode(errors="replace")
        return bool(got)

    def wait_for(self, found, begin=0):
        """Reads until `found(lines)` holds of the lines drawn from character `begin` on."""
        end = time.monotonic() + SECONDS
        while not found(self.drawn(begin)):
            if time.monotonic() > end or not self.read():
                raise TimeoutError(f"not on the terminal: {self.text[begin:][-500:]!r}")

    def drawn(self, begin=0):
        """The whole lines that were drawn, one in place of the other or below it, without escape sequences."""
        lines = re.split(r"[\r\n]+", self.text[begin:])[1:-1]
        return [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in lines if line]

    def close(self):
        """Reads to the end and gives the exit code."""
        with contextlib.suppress(TimeoutError):
            while self.read():
                pass
        os.close(self.mine)
        return self.process.wait(timeout=SECONDS)

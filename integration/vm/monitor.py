"""QEMU's monitor: commands in JSON over a socket (QEMU's documentation, "QMP Protocol")."""

from __future__ import annotations

import json
import socket
import time

SECONDS = 60.0


class Refused(Exception):
    """QEMU refused a command, in its words."""


class Monitor:
    """One connection; QEMU serves only one at a time, so close it."""

    def __init__(self, path: str, patience: float = SECONDS) -> None:
        """Connect to the socket, which QEMU makes as it starts; OSError after `patience` seconds."""
        deadline = time.monotonic() + patience
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        while True:
            try:
                self._socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self._answers = self._socket.makefile("rb")
        self._answers.readline()
        self("qmp_capabilities")

    def close(self) -> None:
        """Close the connection."""
        self._answers.close()
        self._socket.close()

    def __call__(self, command: str, **arguments: object) -> object:
        """Give a command, return its answer; Refused, or OSError when QEMU has gone."""
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        for line in self._answers:
            answer = json.loads(line)
            if "error" in answer:
                raise Refused(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]
        raise ConnectionResetError("QEMU has closed its monitor")

    def wait_for(self, command: str, *states: str) -> str:
        """Ask until the answer's status is one of these; return it."""
        while True:
            status = self(command).get("status", "")
            if status in states:
                return status
            time.sleep(0.02)

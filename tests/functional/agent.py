"""A seccomp agent for tests: it takes listeners on a socket and answers what they notify."""

import array
import fcntl
import json
import os
import select
import socket
import struct
import threading

# _IOWR('!', 0, struct seccomp_notif) and the like; linux/seccomp.h.
RECEIVE, SEND = 0xC0502100, 0xC0182101
CONTINUE = 1
NOTIFICATION, ANSWER = 80, struct.Struct("<QqiI")
LONGEST = 1 << 20


class Agent:
    """Serves each listener that comes; `answer` maps a call's number to an errno, 0 to CONTINUE."""

    def __init__(self, path, answer=None, *, deaf=False):
        self.answer, self.deaf = answer or {}, deaf
        self.states, self.rights, self.seen = [], [], []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        directory, name = os.path.split(path)
        here = os.open(directory, os.O_PATH)  # a long path does not fit into an address
        self.socket.bind(f"/proc/self/fd/{here}/{name}")
        os.close(here)
        self.socket.listen()
        self.ending, self.end = os.pipe()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        poll = select.poll()
        for each in (self.socket.fileno(), self.ending):
            poll.register(each, select.POLLIN)
        while True:
            for ready, events in poll.poll():
                if ready == self.ending:
                    return
                if ready == self.socket.fileno():
                    for listener in self._accept():
                        poll.register(listener, select.POLLIN)
                elif events & select.POLLIN:
                    self._answer(ready)
                else:  # nobody is left whom the filter holds
                    poll.unregister(ready)
                    os.close(ready)

    def _accept(self):
        """Take one connection to its end, as the specification wants it."""
        connection, _ = self.socket.accept()
        with connection:
            text, rights, _, _ = connection.recvmsg(LONGEST, socket.CMSG_SPACE(4 * 8))
            while piece := connection.recv(LONGEST):
                text += piece
        descriptors = array.array("i")
        for _, _, data in rights:
            descriptors.frombytes(data)
        self.states.append(json.loads(text))
        self.rights.append([os.readlink(f"/proc/self/fd/{each}") for each in descriptors])
        if self.deaf:
            for each in descriptors:
                os.close(each)
            return []
        return list(descriptors)

    def _answer(self, listener):
        notification = bytearray(NOTIFICATION)
        try:
            fcntl.ioctl(listener, RECEIVE, notification)
        except FileNotFoundError:  # who was notified of has ended meanwhile
            return
        cookie, pid, _, number = struct.unpack_from("<QIIi", notification)
        self.seen.append((pid, number))
        error = self.answer.get(number, 0)
        told = ANSWER.pack(cookie, 0, -error, 0 if error else CONTINUE)
        try:
            fcntl.ioctl(listener, SEND, told)
        except FileNotFoundError:
            return

    def close(self):
        os.write(self.end, b"0")
        self.thread.join(10)
        self.socket.close()

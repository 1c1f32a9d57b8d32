"""WebSocket frames, byte by byte, to a real gateway: `frames.py STATE_FILE`.

The cases are those of RFC 6455 that conformance suites walk: lengths at their edges, control frames, reserved bits and
opcodes, fragments, UTF-8, closing, masks. They are written here because the suite that has a name for it, Autobahn's, runs on
Python 2 alone (the release of 2025 on PyPI still does), which Debian no longer has. Each connection is one case: what is sent,
and what must come back: an answer, pongs, or a close with its code. A gateway that has seen all of them still answers.
"""

import base64
import json
import os
import socket
import struct
import sys
import time
import urllib.parse

from demo_state import State, Tally

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUE = 0


def frame(opcode, payload=b"", fin=True, rsv=0, mask=True, length=None):
    """The bytes of one frame; `length` lies about how long it is."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", size)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


class Connection:
    def __init__(self, url):
        where = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((where.hostname, where.port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101"), head

    def more(self):
        read = self.socket.recv(65536)
        if not read:
            raise EOFError
        self.buffer += read

    def take(self, count):
        while len(self.buffer) < count:
            self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def hear(self):
        """The next frame: opcode and payload."""
        first, second = self.take(2)
        assert first & 0x70 == 0 and second & 0x80 == 0, "reserved bits and masks are not for servers"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self.take(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.take(8))
        return first & 0x0F, self.take(size)

    def close(self):
        self.socket.close()


class Frames:
    def __init__(self, tally, path, url, request):
        self.tally, self.path, self.url, self.request = tally, path, url, request

    def ask(self, number, size=None):
        """A request whose answer repeats the number, padded to a size."""
        text = json.dumps({"id": number, "method": self.request}, ensure_ascii=False).encode()
        return text if size is None else text + b" " * (size - len(text))

    def case(self, what, sent, wanted, piecewise=False):
        """Sends bytes and compares what is heard with what is wanted: ids of answers, payloads of pongs, a close code."""
        # Answers of a stream connection go with what its streams tell: an end of the connection may overtake them.
        overtaken = [each for each in wanted[:-1] if each[0] == "answer"] if self.path == "streams" and wanted[-1][0] == "close" else []
        wanted = [each for each in wanted if each not in overtaken]
        connection = Connection(self.url)
        try:
            try:
                if piecewise:
                    for byte in sent:
                        connection.socket.sendall(bytes([byte]))
                else:
                    connection.socket.sendall(sent)
            except (BrokenPipeError, ConnectionResetError):
                pass  # The server has closed before the last byte.
            heard = []
            while len(heard) < len(wanted):
                try:
                    opcode, payload = connection.hear()
                except (EOFError, ConnectionResetError, TimeoutError) as end:
                    heard.append(type(end).__name__)
                    break
                if opcode == TEXT:
                    answer = json.loads(payload)
                    heard.append(("answer", answer.get("id")) if "error" not in answer else ("error", answer.get("id")))
                elif opcode == PONG:
                    heard.append(("pong", payload))
                elif opcode == CLOSE:
                    heard.append(("close", struct.unpack(">H", payload[:2])[0] if payload else None))
                elif opcode != PING:
                    heard.append((opcode, payload))
                heard = [each for each in heard if each not in overtaken]
            self.tally.equal(f"{self.path}: {what}", heard, wanted)
        finally:
            connection.close()

    def lengths(self):
        for size in (0, 1, 125, 126, 127, 128, 65535):
            payload = bytes(at % 251 for at in range(size))
            if size <= 125:
                self.case(f"a ping of {size}", frame(PING, payload), [("pong", payload)])
            if size >= 125:
                self.case(f"a text of {size}", frame(TEXT, self.ask(size, size)), [("answer", size)])
        self.case("a text of 64 KiB", frame(TEXT, self.ask(1, 65536)), [("answer", 1)])
        self.case("a text of one more", frame(TEXT, self.ask(1, 65537)), [("close", 1009)])
        self.case("an empty text", frame(TEXT) + frame(TEXT, self.ask(2)), [("error", None), ("answer", 2)])
        self.case("a length of 2^63", b"\x81\xff" + struct.pack(">Q", 1 << 63) + b"mask", [("close", 1009)])
        self.case("a length of 2^62", b"\x81\xff" + struct.pack(">Q", 1 << 62) + b"mask", [("close", 1009)])
        halves = frame(TEXT, self.ask(1, 40000), fin=False) + frame(CONTINUE, b" " * 25536)
        self.case("64 KiB in two fragments", halves, [("answer", 1)])
        halves = frame(TEXT, self.ask(1, 40000), fin=False) + frame(CONTINUE, b" " * 25537)
        self.case("one more in two fragments", halves, [("close", 1009)])
        self.case("a text byte by byte", frame(TEXT, self.ask(3)), [("answer", 3)], piecewise=True)
        self.case("a ping byte by byte", frame(PING, b"x"), [("pong", b"x")], piecewise=True)

    def control(self):
        self.case("a ping of bytes that are no text", frame(PING, b"\x00\xff\xfe"), [("pong", b"\x00\xff\xfe")])
        self.case("a ping of 126", frame(PING, b"x" * 126), [("close", 1002)])
        self.case("pongs that nobody asked for", frame(PONG, b"x") + frame(PONG) + frame(TEXT, self.ask(4)), [("answer", 4)])
        pings = b"".join(frame(PING, b"%d" % at) for at in range(10))
        self.case("ten pings", pings, [("pong", b"%d" % at) for at in range(10)])
        for opcode in (PING, PONG, CLOSE):
            self.case(f"a fragment of control frame {opcode}", frame(opcode, fin=False), [("close", 1002)])

    def reserved(self):
        for rsv in range(1, 8):
            self.case(f"reserved bits {rsv} of a text", frame(TEXT, self.ask(5), rsv=rsv), [("close", 1002)])
            self.case(f"reserved bits {rsv} of a ping", frame(PING, b"x", rsv=rsv), [("close", 1002)])
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
            self.case(f"opcode {opcode}", frame(opcode), [("close", 1002)])
            answered = frame(TEXT, self.ask(6)) + frame(opcode, b"x")
            self.case(f"opcode {opcode} after a request", answered, [("answer", 6), ("close", 1002)])
        self.case("a frame without a mask", frame(TEXT, self.ask(7), mask=False), [("close", 1002)])
        self.case("a ping without a mask", frame(PING, mask=False), [("close", 1002)])

    def fragments(self):
        text = self.ask(8)
        whole = [frame(TEXT, text[:1], fin=False)] + [frame(CONTINUE, text[at : at + 1], fin=False) for at in range(1, len(text))]
        self.case("a fragment for each byte", b"".join(whole) + frame(CONTINUE), [("answer", 8)])
        self.case("empty fragments", frame(TEXT, fin=False) + frame(CONTINUE, text, fin=False) + frame(CONTINUE), [("answer", 8)])
        between = frame(TEXT, text[:5], fin=False) + frame(PING, b"in between") + frame(CONTINUE, text[5:])
        self.case("a ping between fragments", between, [("pong", b"in between"), ("answer", 8)])
        self.case("a fragment of nothing", frame(CONTINUE, text), [("close", 1002)])
        self.case("a fragment of nothing that goes on", frame(CONTINUE, text, fin=False), [("close", 1002)])
        self.case("a text within a text", frame(TEXT, text[:5], fin=False) + frame(TEXT, text), [("close", 1002)])
        self.case("bytes within a text", frame(TEXT, text[:5], fin=False) + frame(BINARY, text), [("close", 1002)])
        self.case("a fragment after the last", frame(TEXT, text) + frame(CONTINUE, b"x"), [("answer", 8), ("close", 1002)])

    def letters(self):
        for name in ("κόσμε", "\u0000", "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\U00010000", "\U0010ffff"):
            self.case(f"an id {name!a}", frame(TEXT, self.ask(name)), [("answer", name)])
        text = self.ask("κόσμε")
        cut = text.index("ό".encode()) + 1
        self.case("a letter in two fragments", frame(TEXT, text[:cut], fin=False) + frame(CONTINUE, text[cut:]), [("answer", "κόσμε")])
        for bad in (b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xc3", b"\xe0\x80\xaf", b"\xe1\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf",
                    b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80", b"\xf5", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff"):
            self.case(f"{bad.hex()} is no text", frame(TEXT, b'{"id":"' + bad + b'"}'), [("close", 1007)])
        fragments = frame(TEXT, b'{"id":"\xed', fin=False) + frame(CONTINUE, b'\xa0\x80"}')
        self.case("half a letter that becomes none", fragments, [("close", 1007)])

    def closing(self):
        code = lambda number, reason=b"": struct.pack(">H", number) + reason
        self.case("a close without a code", frame(CLOSE), [("close", None)])
        for number in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
            self.case(f"a close with {number}", frame(CLOSE, code(number)), [("close", number)])
        for number in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999):
            self.case(f"a close with {number}, which is not for the wire", frame(CLOSE, code(number)), [("close", 1002)])
        self.case("a close with a reason", frame(CLOSE, code(1000, b"x" * 123)), [("close", 1000)])
        self.case("a close with half a code", frame(CLOSE, b"\x03"), [("close", 1002)])
        self.case("a close of 126", frame(CLOSE, code(1000, b"x" * 124)), [("close", 1002)])
        self.case("a close whose reason is no text", frame(CLOSE, code(1000, b"\xff\xfe")), [("close", 1007)])
        self.case("an answer before a close", frame(TEXT, self.ask(9)) + frame(CLOSE, code(1000)), [("answer", 9), ("close", 1000)])
        self.case("nothing after a close", frame(CLOSE, code(1000)) + frame(PING, b"x") + frame(TEXT, self.ask(1)), [("close", 1000), "EOFError"])

    def half_open(self):
        """Connections that begin a frame and say no more cost nobody anything."""
        silent = [Connection(self.url) for _ in range(50)]
        for connection in silent:
            connection.socket.sendall(frame(TEXT, self.ask(1))[:-3])
        began = time.monotonic()
        self.case("beside fifty that have stopped in a frame", frame(TEXT, self.ask(10)), [("answer", 10)])
        self.tally.check("at once", time.monotonic() - began < 2)
        for connection in silent:
            connection.close()


def main():
    state, tally = State(sys.argv[1]), Tally("frames")
    streams = state.ws.removesuffix("/ws") + "/ws"
    for path, url, request in (("streams", streams, "LIST_SUBSCRIPTIONS"), ("api", state.ws_api, "ping")):
        frames = Frames(tally, path, url, request)
        for part in (frames.lengths, frames.control, frames.reserved, frames.fragments, frames.letters, frames.closing, frames.half_open):
            try:
                part()
            except Exception:
                tally.crashed()
    tally.close()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Write the kernel that lies packed in a bzImage: the guest would take seconds to unpack it.

    integration/vm/recipe/vmlinux.py BZIMAGE VMLINUX

The header is that of Linux's Documentation/arch/x86/boot.rst.
"""

from __future__ import annotations

import lzma
import struct
import subprocess
import sys
import zlib

SETUP_SECTORS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x248, 0x24C
SECTOR = 512


def payload(image: bytes) -> bytes:
    """Return the packed kernel of a bzImage."""
    code = (image[SETUP_SECTORS] + 1) * SECTOR
    (offset,) = struct.unpack_from("<I", image, PAYLOAD_OFFSET)
    (length,) = struct.unpack_from("<I", image, PAYLOAD_LENGTH)
    return image[code + offset : code + offset + length]


def unpacked(packed: bytes) -> bytes:
    """Return what was packed by one of the kernel's methods; SystemExit for another."""
    if packed.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(packed)
    if packed.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(31).decompress(packed)
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        # Four bytes of the kernel's own follow the stream, which zstd tells as an error.
        return subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True).stdout
    raise SystemExit(f"vmlinux.py: the kernel is packed in an unknown way: {packed[:6].hex()}")


def main(words: list[str]) -> None:
    """Read the command line."""
    if len(words) != 2:
        raise SystemExit("usage: integration/vm/recipe/vmlinux.py BZIMAGE VMLINUX")
    with open(words[0], "rb") as image:
        kernel = unpacked(payload(image.read()))
    if not kernel.startswith(b"\x7fELF"):
        raise SystemExit(f"vmlinux.py: {words[0]} holds no kernel in ELF")
    with open(words[1], "wb") as out:
        out.write(kernel)


if __name__ == "__main__":
    main(sys.argv[1:])

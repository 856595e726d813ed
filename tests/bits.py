"""Turns bits, as disks do."""


def flip_bit(content: bytes, bit: int) -> bytes:
    """Return the bytes with one bit turned, counted from the first byte's lowest."""
    broken = bytearray(content)
    broken[bit // 8] ^= 1 << bit % 8
    return bytes(broken)

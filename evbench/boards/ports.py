"""Serial ports: finding the one a board hangs on, and opening it with an error that says what to do."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from evbench.errors import BoardError

if TYPE_CHECKING:
    import serial

_WRITE_TIMEOUT_S = 2.0
ST_LINK_VENDOR = 0x0483
"""USB vendor id of STMicroelectronics: an ST-LINK's virtual COM port carries it."""


def find_port() -> str:
    """The serial port of the only ST-LINK that is plugged in. Raises BoardError when there is none, or more than
    one.
    """
    from serial.tools import list_ports

    found = sorted(str(port.device) for port in list_ports.comports() if port.vid == ST_LINK_VENDOR)
    if not found:
        raise BoardError(
            "No board is plugged in",
            where=f"No serial port with USB vendor 0x{ST_LINK_VENDOR:04x} (ST-LINK)",
            remedy="Plug a board in, name its port, or use a virtual board such as virtual-h743",
        )
    if len(found) > 1:
        raise BoardError("Several boards are plugged in", where=", ".join(found), remedy="Name the port to use")
    return found[0]


def open_port(port: str, baud: int, timeout: float) -> serial.Serial:
    """Opens a serial port for this process alone. Raises BoardError when it does not exist, is busy or is no serial
    port.
    """
    import serial

    try:
        opened = serial.Serial(port, baud, timeout=timeout, write_timeout=_WRITE_TIMEOUT_S, exclusive=True)
        opened.reset_input_buffer()
    except (serial.SerialException, OSError, ValueError) as error:
        raise _port_error(port, error) from error
    return opened


def _port_error(port: str, error: Exception) -> BoardError:
    number = getattr(error, "errno", None)
    text = str(error)
    if number == errno.ENOENT or "No such file" in text:
        return BoardError("The serial port does not exist", where=port, remedy="Plug the board in or name another port")
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return BoardError(
            "The serial port is busy", where=port, remedy="Close the program that uses it, such as a terminal"
        )
    if number in (errno.EACCES, errno.EPERM):
        return BoardError(
            "The serial port may not be opened",
            where=port,
            remedy="Give your user access to it, on most systems by joining the group dialout",
        )
    return BoardError("The serial port cannot be used", where=f"{port}: {text}", remedy="Name a board's serial port")

"""Feeds damaged recordings to every decoder, guided by which code they reach, for a bounded time.

`make fuzz` gives each kind a minute; `python -m tests.benchmarks.fuzz.decoders --seconds 300 .dat .es` some longer.
It begins with one whole file of each kind. Whatever raises anything but a RecordingError, takes longer than half a
minute or more than two gigabytes is a finding: its bytes are left in the folder that is named. Needs atheris (extra
`fuzz`), whose driver ends its process: each kind has one of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris


def main() -> int:
    """Fuzzes the kinds named, or all, and says how many there were findings in."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="suffixes, such as .dat; all if none is given")
    parser.add_argument("--seconds", type=int, default=60, help="how long for each kind (60)")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for what fails")
    parser.add_argument("--here", action="store_true", help="fuzz one kind in this process")
    chosen = parser.parse_args()
    if chosen.here:
        fuzz(chosen.kinds[0], chosen.seconds, chosen.findings)
    from tests.events.whole_files import KINDS

    failed = []
    for kind in chosen.kinds or KINDS:
        command = [sys.executable, "-m", "tests.benchmarks.fuzz.decoders", "--here", kind]
        command += ["--seconds", str(chosen.seconds), "--findings", str(chosen.findings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
        print(f"{kind}: {lines[-1] if lines and not done.returncode else done.stderr[-3000:]}", flush=True)
        failed += [kind] if done.returncode else []
    print(f"findings in {', '.join(failed)}: see {chosen.findings}" if failed else "no findings")
    return 1 if failed else 0


def fuzz(kind: str, seconds: int, findings: Path) -> None:
    """Damages a file of one kind for some seconds. Ends the process: with a status of zero where nothing was found."""
    with atheris.instrument_imports(include=["evbench.events"]):
        from tests.events.whole_files import survives, write_whole_files

    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "whole").mkdir()
        (folder / "corpus").mkdir()
        whole = write_whole_files(folder / "whole")[kind]
        (folder / "corpus" / "whole").write_bytes(whole)
        limits = [f"-max_total_time={seconds}", "-timeout=30", "-rss_limit_mb=2048", f"-max_len={2 * len(whole)}"]
        where = f"-artifact_prefix={findings}/{kind[1:]}-"
        atheris.Setup(
            [sys.argv[0], *limits, where, str(folder / "corpus")],
            lambda data: survives(folder / f"damaged{kind}", data),
        )
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())

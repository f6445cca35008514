"""Where the tests of pages look for a browser."""

from __future__ import annotations

from pathlib import Path

from browser import candidates


def _program(path: Path) -> str:
    path.parent.mkdir(parents=True)
    path.write_text("")
    path.chmod(0o755)
    return str(path)


def test_the_path_comes_first_and_chromium_before_edge(tmp_path):
    edge = _program(tmp_path / "edge" / "microsoft-edge")
    chromium = _program(tmp_path / "bin" / "chromium")
    assert candidates("linux", {"PATH": f"{tmp_path / 'edge'}:{tmp_path / 'bin'}"}) == [chromium, edge]
    assert candidates("linux", {"PATH": str(tmp_path)}) == []


def test_macos_keeps_browsers_among_the_applications(tmp_path):
    chrome = _program(tmp_path / "Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
    assert candidates("darwin", {"HOME": str(tmp_path), "PATH": ""})[-1] == chrome


def test_windows_keeps_browsers_among_the_programs(tmp_path):
    chrome = _program(tmp_path / "local/Google/Chrome/Application/chrome.exe")
    edge = _program(tmp_path / "files/Microsoft/Edge/Application/msedge.exe")
    folders = {"PROGRAMFILES(X86)": str(tmp_path / "files"), "LOCALAPPDATA": str(tmp_path / "local"), "PATH": ""}
    assert candidates("win32", folders) == [edge, chrome]

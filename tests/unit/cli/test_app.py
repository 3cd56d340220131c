"""The commands: their options, exit codes, and errors as one document."""

from __future__ import annotations

import json

import pytest

from algosync import __version__
from algosync.errors import AlgoliaUnavailableError

COMMANDS = ["setup", "pull", "rebuild", "sync", "plan", "explain", "reset", "suppress", "status", "mock", "demo"]
QUARANTINE = [("quarantine", name) for name in ("list", "show", "retry")]


def test_help_names_every_command(run):
    done = run("--help")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in (*COMMANDS, "quarantine"))


@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), *QUARANTINE], ids=" ".join)
def test_every_command_takes_the_common_options(run, command):
    done = run(*command, "--help")
    assert done.exit_code == 0
    wanted = ["--json", "--verbose"] + (["--config"] if command[0] not in ("mock", "demo") else [])
    assert all(option in done.stdout for option in wanted)


def test_the_version(run):
    assert run("--version").stdout == f"algosync {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["sing"], ["sync", "--fast"], ["explain"], ["sync", "--only", "blue"], ["quarantine", "show"]]
)
def test_wrong_usage_is_exit_code_2_and_no_word_on_stdout(run, arguments):
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr


@pytest.mark.parametrize("command", [["sync"], ["status"], ["quarantine", "list"], ["explain", "anna"]])
def test_an_error_is_exit_code_1_and_one_document(run, command):
    done = run(*command, "--json")
    assert done.exit_code == 1
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "ConfigError"
    assert error["action"] == "stop"
    assert "no settings file there" in error["message"]
    assert "no settings file there" in done.stderr
    quiet = run(*command)
    assert (quiet.exit_code, quiet.stdout) == (1, "")


def test_the_settings_file_can_be_named_by_the_environment(run, monkeypatch):
    monkeypatch.setenv("ALGOSYNC_CONFIG", "elsewhere/shop.toml")
    assert "elsewhere/shop.toml: no settings file there" in run("status").stderr


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (KeyboardInterrupt(), {"type": "Interrupted", "message": "stopped by hand", "action": "retry"}),
        (AlgoliaUnavailableError("no answer"), {"type": "AlgoliaUnavailableError", "action": "retry"}),
    ],
)
def test_a_run_that_stops_says_whether_to_run_again(run, monkeypatch, raised, said):
    def stopped(*_, **__):
        raise raised

    monkeypatch.setattr("algosync.runtime.commands.Runtime.open", stopped)
    done = run("sync", "--json")
    assert done.exit_code == 1
    assert said.items() <= json.loads(done.stdout)["error"].items()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--load", "products.json"], "'products.json' is no pair"),
        (["--facets", "products="], "'products=' is no pair"),
        (["--port", "0", "--load", "products=nowhere.json"], "nowhere.json"),
    ],
)
def test_a_mock_that_cannot_be_furnished_says_why(run, arguments, said):
    done = run("mock", "--json", *arguments)
    assert done.exit_code == 1
    assert said in json.loads(done.stdout)["error"]["message"]

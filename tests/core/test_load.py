"""How the C core is loaded: waiting threads sleep soon, and nothing else is affected."""

import os
import subprocess
import sys

import pytest

import csparc

CODE = "import os, csparc;print(os.environ.get('GOMP_SPINCOUNT'), csparc.config.config()['openmp'])"


def load(**settings):
    """Import the package in a fresh process that prints its OpenMP settings."""
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    return subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        check=True,
        env=kept | {"OMP_DISPLAY_ENV": "verbose"} | settings,
    )


def spins(displayed):
    """The spin count GNU's OpenMP reports; skips where another OpenMP, or none, is used."""
    if "GOMP_SPINCOUNT" not in displayed:
        pytest.skip("not GNU's OpenMP")
    return displayed.partition("GOMP_SPINCOUNT = '")[2].partition("'")[0]


def test_waiting_threads_sleep_soon_and_the_environment_is_as_before():
    done = load()
    assert done.stdout.startswith("None ")
    assert spins(done.stderr) == "10000"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"GOMP_SPINCOUNT": "77"}, "77"),
        ({"OMP_WAIT_POLICY": "passive"}, "0"),
    ],
)
def test_a_setting_of_the_users_wins(settings, expected):
    assert spins(load(**settings).stderr) == expected


def test_the_core_is_loaded_by_the_loader_first():
    """Whatever part of the package is imported first, the package itself comes before it."""
    code = "import csparc.optim, sys; print('csparc._load' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert csparc.config._core is sys.modules["csparc._core"]

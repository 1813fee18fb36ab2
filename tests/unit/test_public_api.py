import subprocess
import sys

import replay


def test_every_public_name_is_there_and_sorted_by_its_home():
    assert set(replay.__all__) == set(replay._HOME)
    assert all(getattr(replay, name) is not None for name in replay.__all__)


def test_importing_the_package_imports_nothing_heavy():
    heavy = "click docker git dvc hydra omegaconf sqlalchemy numpy pyarrow boto3 rich jinja2 msgspec yaml"
    code = f"import replay, sys; print([m for m in {heavy.split()!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_imports_click_and_little_else():
    heavy = "docker git dvc hydra omegaconf sqlalchemy numpy pyarrow boto3 rich jinja2 msgspec yaml"
    code = (
        "import sys; sys.argv = ['replay', '--help']\n"
        "from replay.cli import main\n"
        "try: main()\nexcept SystemExit as end: code = end.code\n"
        f"print(code, [m for m in {heavy.split()!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"

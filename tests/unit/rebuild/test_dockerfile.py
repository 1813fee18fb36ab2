import io
import tarfile
from pathlib import Path

import pytest

from replay.errors import ConfigError
from replay.rebuild.dockerfile import CA_FILE, _pack, build_arguments, buildx_command, find_ca_bundle, with_ca_bundle

COPY = f"COPY {CA_FILE} /{CA_FILE}\n"


def test_every_stage_gets_the_bundle_and_nothing_else_changes():
    text = "# syntax\nARG V=1\nFROM a:$V AS one\nRUN x\nfrom b\nRUN y"
    made = with_ca_bundle(text)
    assert made.count(COPY) == 2
    assert made.index("FROM a:$V AS one\n" + COPY) > 0
    assert made.index("from b\n" + COPY) > 0
    added = ("COPY .replay", "ARG SSL", "ARG REQ", "ARG CURL", "ARG PIP", "ARG NODE", "ARG GIT")
    assert [line for line in made.splitlines() if not line.startswith(added)] == text.splitlines()


def test_a_continued_from_is_not_cut():
    assert with_ca_bundle("FROM \\\n  a\nRUN x\n").startswith("FROM \\\n  a\n" + COPY)


@pytest.mark.parametrize(
    "inner",
    [
        "RUN echo \\\nFROM here\n",
        "RUN echo \\\n# a comment\nFROM here\n",
        "RUN <<EOF\nFROM here\nEOF\n",
        "RUN cat <<-'X'\nFROM h\nX\n",
    ],
)
def test_a_from_that_is_no_instruction_is_left_alone(inner):
    assert with_ca_bundle("FROM a\n" + inner).count(COPY) == 1


def test_the_bundle_that_the_environment_names(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_text("pem")
    assert find_ca_bundle("auto", {}) is None
    assert find_ca_bundle("auto", {"SSL_CERT_FILE": str(tmp_path / "gone"), "PIP_CERT": str(bundle)}) == bundle
    assert find_ca_bundle("none", {"SSL_CERT_FILE": str(bundle)}) is None
    assert find_ca_bundle(str(bundle), {}) == bundle
    with pytest.raises(ConfigError, match="gone"):
        find_ca_bundle(str(tmp_path / "gone"), {})


def test_proxies_are_passed_by_name_so_that_no_password_is_on_a_command_line():
    arguments = build_arguments({"https_proxy": "http://user:secret@proxy", "AWS_SECRET_ACCESS_KEY": "x"})
    assert set(arguments) == {"SOURCE_DATE_EPOCH", "https_proxy"}
    command = buildx_command("Dockerfile", arguments, Path("iid"))
    assert "secret" not in " ".join(command)
    assert {"--provenance=false", "--sbom=false", "https_proxy"} <= set(command)


def packed(root: Path, bundle: Path | None = None) -> tuple[bytes, dict[str, tarfile.TarInfo]]:
    out = io.BytesIO()
    _pack(root, "Dockerfile", "FROM changed\n", bundle, out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        return out.getvalue(), {m.name: m for m in tar}


def test_the_context_obeys_dockerignore_and_never_sends_git(tmp_path):
    for name in (".git/config", ".replay/lineage.db", "src/a.py", "secret.env", "Dockerfile"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("# comment\n*.env\nDockerfile\n")
    (tmp_path / "link").symlink_to("src")
    bundle = tmp_path.parent / "ca.pem"
    bundle.write_text("pem")
    data, members = packed(tmp_path, bundle)
    assert {".dockerignore", "src", "src/a.py", "link", "Dockerfile", CA_FILE} == set(members)
    assert b"FROM changed" in data
    assert {(m.uid, m.uname, m.mtime) for m in members.values()} == {(0, "", 315532800)}

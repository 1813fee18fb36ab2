import hashlib
import io
import json
import tarfile

from replay.rebuild.images import archive_stream, compose_config

LAYERS = ["sha256:" + "1" * 64, "sha256:" + "2" * 64]


def config(**changes):
    arguments = {"platform": "linux/amd64", "layers": LAYERS, "steps": ["base", "wheels"], **changes}
    return compose_config(**arguments)


def test_equal_arguments_give_equal_bytes_whatever_else_the_engine_told():
    slim = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["python3"], "Labels": None}
    chatty = {**slim, "Hostname": "", "Image": "sha256:x", "AttachStdin": False, "OnBuild": None, "Domainname": ""}
    assert config(parent=slim) == config(parent=chatty)


def test_environment_and_labels_are_merged():
    document = json.loads(
        config(parent={"Env": ["PATH=/bin", "A=1"], "Labels": {"a": "b"}}, env={"PATH": "/x:/bin"}, labels={"c": "d"})
    )
    assert document["config"]["Env"] == ["PATH=/x:/bin", "A=1"]
    assert document["config"]["Labels"] == {"a": "b", "c": "d"}
    assert document["rootfs"]["diff_ids"] == LAYERS
    assert document["created"] == "1980-01-01T00:00:00Z"
    assert len(document["history"]) == len(LAYERS)


def test_a_variant_is_kept():
    assert json.loads(config(platform="linux/arm64/v8"))["variant"] == "v8"
    assert "variant" not in json.loads(config())


def test_every_argument_matters():
    changed = [config(labels={"a": "1"}), config(env={"A": "1"}), config(layers=LAYERS[:1], steps=["b"])]
    assert len({config(), *changed}) == 4


def test_archive_is_a_tar_that_docker_save_could_have_written(tmp_path):
    layer = tmp_path / "layer"
    layer.write_bytes(b"x" * 1500)
    digest = "sha256:" + hashlib.sha256(layer.read_bytes()).hexdigest()
    data = b"".join(archive_stream(b"{}", [LAYERS[0], digest], {digest: layer}, "replay/x:y"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        contents = {m.name: tar.extractfile(m).read() for m in tar}
    (manifest,) = json.loads(contents["manifest.json"])
    assert manifest["RepoTags"] == ["replay/x:y"]
    assert contents[manifest["Config"]] == b"{}"
    assert manifest["Layers"][0] not in contents  # the engine has it
    assert contents[manifest["Layers"][1]] == layer.read_bytes()
    assert len(data) % 512 == 0

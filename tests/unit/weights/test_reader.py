"""Every file format gives the same numbers; a wrong file is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest
import safetensors.numpy
import torch
from onnx import helper, numpy_helper

from atelierd.errors import WeightsError
from atelierd.weights.convention import Convention
from atelierd.weights.formats import canonical, hdf5, npz, onnx_file, safetensors_file, torch_file
from atelierd.weights.formats.found import KERAS, TORCHVISION, Found
from atelierd.weights.network import Convolution, Weights, layer_names, numbers_sha256
from atelierd.weights.reader import load_weights

Writer = Callable[[Path, Weights], None]


def keras_name(paper_name: str) -> str:
    return f"block{paper_name[4]}_conv{paper_name[6]}"


def state_dict(weights: Weights) -> dict[str, np.ndarray]:
    """torchvision's names: ReLU after each convolution and pooling after each block count too."""
    tensors, index, block = {}, 0, "1"
    for name, layer in zip(layer_names(weights.network), weights.convolutions, strict=True):
        index += name[4] != block
        block = name[4]
        tensors[f"features.{index}.weight"] = layer.kernels
        tensors[f"features.{index}.bias"] = layer.bias
        index += 2
    return {**tensors, "classifier.0.weight": np.zeros((8, 8), "f4")}


def write_tutorial(path: Path, weights: Weights) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["nb_layers"] = 2 * len(weights.convolutions) + 1
        for i in range(2 * len(weights.convolutions)):
            group = file.create_group(f"layer_{i}")
            group.attrs["nb_params"] = 2 * (i % 2)  # zero padding layers lie between
            if i % 2:
                group["param_0"] = weights.convolutions[i // 2].kernels
                group["param_1"] = weights.convolutions[i // 2].bias
        group = file.create_group(f"layer_{2 * len(weights.convolutions)}")
        group.attrs["nb_params"] = 2
        group["param_0"], group["param_1"] = np.zeros((8, 8), "f4"), np.zeros(8, "f4")


def write_keras_1(path: Path, weights: Weights) -> None:
    with h5py.File(path, "w") as file:
        for paper_name, layer in zip(layer_names("vgg16"), weights.convolutions, strict=True):
            name = keras_name(paper_name)
            file[f"{name}/{name}_W_1:0"] = layer.kernels.transpose(2, 3, 1, 0)
            file[f"{name}/{name}_b_1:0"] = layer.bias
        file["fc1/fc1_W_1:0"] = np.zeros((8, 8), "f4")


def write_keras_2(path: Path, weights: Weights) -> None:
    with h5py.File(path, "w") as file:
        for paper_name, layer in zip(layer_names("vgg16"), weights.convolutions, strict=True):
            name = keras_name(paper_name)
            file[f"model_weights/{name}/{name}/kernel:0"] = layer.kernels.transpose(2, 3, 1, 0)
            file[f"model_weights/{name}/{name}/bias:0"] = layer.bias
            file[f"optimizer_weights/{name}/kernel/momentum:0"] = np.zeros((1, 1, 1, 1), "f4")


def write_keras_theano(path: Path, weights: Weights) -> None:
    with h5py.File(path, "w") as file:
        for paper_name, layer in zip(layer_names("vgg16"), weights.convolutions, strict=True):
            name = keras_name(paper_name)
            file[f"{name}/{name}_W"] = layer.kernels[:, :, ::-1, ::-1]
            file[f"{name}/{name}_b"] = layer.bias


def write_npz(path: Path, weights: Weights) -> None:
    arrays: dict[str, Any] = {"fc6_W": np.zeros((8, 8), "f4"), "fc6_b": np.zeros(8, "f4")}
    for i, (name, layer) in enumerate(zip(layer_names("vgg16"), weights.convolutions, strict=True)):
        kernels = layer.kernels[:, ::-1] if i == 0 else layer.kernels
        arrays[f"{name}_W"] = kernels.transpose(2, 3, 1, 0)
        arrays[f"{name}_b"] = layer.bias
    np.savez(path, **arrays)


def write_torch(path: Path, weights: Weights) -> None:
    torch.save({k: torch.from_numpy(v) for k, v in state_dict(weights).items()}, path)


def write_torch_before_zip(path: Path, weights: Weights) -> None:
    tensors = {k: torch.from_numpy(v) for k, v in state_dict(weights).items()}
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def write_safetensors(path: Path, weights: Weights) -> None:
    safetensors.numpy.save_file(state_dict(weights), path)


def write_onnx(path: Path, weights: Weights) -> None:
    nodes = []
    tensors: list[onnx.TensorProto] = []
    for i, (name, layer) in enumerate(zip(layer_names("vgg16"), weights.convolutions, strict=True)):
        names = [f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", [f"x{i}", *names], [f"x{i + 1}"]))
        tensors.insert(0, numpy_helper.from_array(layer.kernels, names[0]))  # in no useful order
        tensors.insert(0, numpy_helper.from_array(layer.bias, names[1]))
    graph = helper.make_graph(nodes, "vgg", [], [], tensors)
    onnx.save(helper.make_model(graph), str(path))


WRITERS: list[Writer] = [
    write_tutorial,
    write_keras_1,
    write_keras_2,
    write_keras_theano,
    write_npz,
    write_torch,
    write_torch_before_zip,
    write_safetensors,
    write_onnx,
]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_format_gives_the_canonical_numbers_whatever_the_file_is_called(
    vgg16: Weights, scratch: Path, write: Writer
) -> None:
    path = scratch / "weights.npz"  # np.savez would append it; the content decides anyway
    write(path, vgg16)
    loaded = load_weights(path)
    assert loaded.network == "vgg16"
    assert loaded.sha256 == vgg16.sha256
    assert loaded.convolutions[0].kernels.dtype == np.float32
    assert loaded.convolutions[0].kernels.flags.c_contiguous
    assert loaded.origin.startswith("weights.npz (")


def test_atelierds_own_file_keeps_numbers_and_origin(vgg16: Weights, vgg16_file: Path) -> None:
    loaded = load_weights(vgg16_file)
    assert (loaded.network, loaded.sha256, loaded.origin) == ("vgg16", vgg16.sha256, "made up")
    for ours, theirs in zip(loaded.convolutions, vgg16.convolutions, strict=True):
        np.testing.assert_array_equal(ours.kernels, theirs.kernels)
        np.testing.assert_array_equal(ours.bias, theirs.bias)


@pytest.mark.parametrize(
    ("write", "read", "documented"),
    [
        (write_tutorial, hdf5.read, Convention("bgr", "0..255", flipped=False)),
        (write_keras_2, hdf5.read, Convention("bgr", "0..255", flipped=False)),
        (write_keras_theano, hdf5.read, Convention("bgr", "0..255", flipped=True)),
        (write_npz, npz.read, Convention("rgb", "0..255", flipped=False)),
        (write_torch, torch_file.read, Convention("rgb", "normalized", flipped=False)),
        (write_safetensors, safetensors_file.read, Convention("rgb", "normalized", flipped=False)),
        (write_onnx, onnx_file.read, None),
    ],
)
def test_each_format_states_its_documented_convention(
    tmp_path: Path, write: Writer, read: Callable[[Path], Found], documented: Convention | None
) -> None:
    tiny = Convolution(np.zeros((2, 2, 3, 3), "f4"), np.zeros(2, "f4"))
    write(tmp_path / "tiny.npz", Weights("vgg16", (tiny,) * 13, "", ""))
    found = read(tmp_path / "tiny.npz")
    assert (found.documented, len(found.layers)) == (documented, 13)


@pytest.mark.parametrize(
    ("name", "documented"),
    [("vgg16/block1_conv1/kernel", KERAS), ("features.0.weight", TORCHVISION)],
)
def test_an_onnx_file_has_the_convention_of_the_exporter_that_named_its_weights(
    tmp_path: Path, name: str, documented: Convention
) -> None:
    node = helper.make_node("Conv", ["x", name, "b"], ["y"])
    tensors = [numpy_helper.from_array(np.zeros((2, 2, 3, 3), "f4"), name)]
    tensors.append(numpy_helper.from_array(np.zeros(2, "f4"), "b"))
    path = tmp_path / "named.onnx"
    onnx.save(helper.make_model(helper.make_graph([node], "vgg", [], [], tensors)), str(path))
    assert onnx_file.read(path).documented == documented


def test_bfloat16_from_torch_is_read_as_float32(vgg16: Weights, scratch: Path) -> None:
    path = scratch / "half.pth"
    tensors = state_dict(vgg16)
    torch.save({k: torch.from_numpy(v).bfloat16() for k, v in tensors.items()}, path)
    np.testing.assert_allclose(
        load_weights(path).convolutions[5].kernels, vgg16.convolutions[5].kernels, rtol=0.01
    )


def test_one_changed_byte_of_atelierds_own_file_is_noticed(vgg16_file: Path, scratch: Path) -> None:
    data = bytearray(vgg16_file.read_bytes())
    data[len(data) // 2] ^= 1
    path = scratch / "vgg16.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"damaged: its numbers have SHA-256 .* fetch"):
        load_weights(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda first: first[:32], r"conv1_1 is float32 \(32, 3, 3, 3\), not float32 \(64, 3,"),
        (lambda first: first.astype(np.float16), "conv1_1 is float16"),
        (lambda first: first * np.float32(np.nan), "conv1_1 has numbers that are not finite"),
    ],
    ids=["shape", "type", "not finite"],
)
def test_a_digest_of_its_own_makes_no_vgg_of_other_numbers(
    vgg16: Weights, scratch: Path, spoil: Callable[[Any], Any], message: str
) -> None:
    first, *rest = vgg16.convolutions
    convolutions = (replace(first, kernels=spoil(first.kernels)), *rest)
    spoilt = replace(vgg16, convolutions=convolutions, sha256=numbers_sha256(convolutions))
    canonical.write(scratch / "vgg16.safetensors", spoilt, {})
    with pytest.raises(WeightsError, match=message):
        load_weights(scratch / "vgg16.safetensors")


class Exploit:
    """Runs code when it is unpickled in the ordinary way."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("code in a weights file was run",))


@pytest.mark.parametrize("new", [True, False], ids=["zip", "before zip"])
def test_code_in_a_torch_file_is_not_run(tmp_path: Path, new: bool) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"features.0.weight": Exploit()}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(WeightsError, match="holds more than tensors"):
        load_weights(path)


def test_code_in_an_npz_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    np.savez(path, conv1_1_W=np.array([Exploit()]), conv1_1_b=np.zeros(1))
    with pytest.raises(WeightsError, match="allow_pickle=False"):
        load_weights(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>Not found</html>", "begins with b'<!DOCTYPE html>"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "damaged or cut off"),
        (b"PK\x03\x04" + bytes(100), "damaged or cut off"),
        (b"\x80\x02}q\x00.", "damaged or cut off"),
        (b"\x08\x07\x12\x40abc", "damaged or cut off"),
        (b"\x10\0\0\0\0\0\0\0{not json", "not a whole safetensors file"),
    ],
    ids=["empty", "web page", "HDF5", "zip", "pickle", "ONNX", "safetensors"],
)
def test_a_file_that_is_damaged_or_no_weights_is_refused_by_name(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "some-file"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=words) as caught:
        load_weights(path)
    assert "some-file" in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="none: cannot be read: No such file"):
        load_weights(tmp_path / "none")
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        load_weights(tmp_path)


def test_a_cut_off_file_of_each_kind_is_refused(vgg16: Weights, scratch: Path) -> None:
    for write in WRITERS:
        path = scratch / "weights.npz"
        write(path, vgg16)
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        with pytest.raises(WeightsError, match=r"weights\.npz"):
            load_weights(path)


def test_a_vgg_with_batch_normalization_is_refused(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {
        "features.0.weight": np.zeros((64, 3, 3, 3), "f4"),
        "features.1.running_mean": np.zeros(64, "f4"),
    }
    path = tmp_path / "bn.safetensors"
    safetensors.numpy.save_file(tensors, path)
    with pytest.raises(WeightsError, match="a VGG with batch normalization"):
        load_weights(path)


def test_an_onnx_vgg_with_batch_normalization_or_weights_elsewhere_is_refused(
    tmp_path: Path,
) -> None:
    kernels = numpy_helper.from_array(np.zeros((64, 3, 3, 3), "f4"), "w")
    bias = numpy_helper.from_array(np.zeros(64, "f4"), "b")
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"]),
        helper.make_node("BatchNormalization", ["y", "b", "b", "b", "b"], ["z"]),
        helper.make_node("Conv", ["z", "w"], ["last"]),
    ]
    path = tmp_path / "vgg.onnx"
    for chosen, tensors, words in [
        (nodes, [kernels, bias], "with batch normalization"),
        (nodes[2:], [kernels, bias], "the convolution 'last' has no stored kernels and bias"),
    ]:
        onnx.save(helper.make_model(helper.make_graph(chosen, "vgg", [], [], tensors)), str(path))
        with pytest.raises(WeightsError, match=words):
            load_weights(path)
    model = helper.make_model(helper.make_graph(nodes[:1], "vgg", [], [], [kernels, bias]))
    onnx.save(model, str(path), save_as_external_data=True, size_threshold=0)
    with pytest.raises(WeightsError, match="the weights lie in another file"):
        load_weights(path)


def test_an_npz_kernel_without_bias_or_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vgg.npz"
    np.savez(path, conv1_1_W=np.zeros((3, 3, 3, 64)))
    with pytest.raises(WeightsError, match="conv1_1_W is there, conv1_1_b is missing"):
        load_weights(path)
    np.savez(path, conv1_1_W=np.zeros((9, 64)), conv1_1_b=np.zeros(64))
    with pytest.raises(WeightsError, match=r"conv1_1_W has shape \(9, 64\), expected \(3, 3, in"):
        load_weights(path)


def test_a_convolution_without_bias_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no-bias.safetensors"
    safetensors.numpy.save_file({"features.0.weight": np.zeros((64, 3, 3, 3), "f4")}, path)
    with pytest.raises(WeightsError, match=r"features\.0\.bias is missing"):
        load_weights(path)


def test_the_tutorials_file_with_a_missing_layer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vgg16_weights.bin"
    with h5py.File(path, "w") as file:
        file.attrs["nb_layers"] = 37
    with pytest.raises(WeightsError, match="layer_0 or its attribute nb_params is missing"):
        load_weights(path)


def test_pastiches_codes_are_looked_up_in_their_table(tmp_path: Path) -> None:
    codes = torch.arange(64 * 27).remainder(256).to(torch.uint8).reshape(64, 3, 3, 3)
    state = {
        "block1_conv1_W_q": codes,
        "block1_conv1_W_table": torch.arange(256) / 8,
        "block1_conv1_b": torch.ones(64),
    }
    path = tmp_path / "codes.bin"
    torch.save(state, path)
    (layer,) = torch_file.read(path).layers
    np.testing.assert_array_equal(layer.kernels, codes.numpy() / 8)
    np.testing.assert_array_equal(layer.bias, np.ones(64))


def test_a_codebook_with_a_part_missing_or_of_another_size_is_refused(tmp_path: Path) -> None:
    state = {"block1_conv1_W_q": torch.zeros((64, 3, 3, 3), dtype=torch.uint8)}
    state["block1_conv1_W_table"] = torch.zeros(16)
    path = tmp_path / "codes.bin"
    torch.save(state, path)
    with pytest.raises(WeightsError, match="block1_conv1_b is missing"):
        load_weights(path)
    state["block1_conv1_b"] = torch.zeros(64)
    torch.save(state, path)
    with pytest.raises(WeightsError, match=r"a table of shape \(16,\), expected uint8 and \(256,"):
        load_weights(path)

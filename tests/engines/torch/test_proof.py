import pytest

from atelierd.engines.torch.proof import prove
from atelierd.errors import NodeFault


def test_a_device_that_computes_says_what_it_is() -> None:
    assert prove("cpu").endswith("computes on cpu")


def test_one_that_is_not_there_is_a_fault_of_the_node() -> None:
    with pytest.raises(NodeFault):
        prove("cuda:99")

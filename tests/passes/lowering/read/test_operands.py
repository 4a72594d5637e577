"""What calls touch: constants once however often they are read, blocks of memory, and tensors in them."""

from rdpass.passes.lowering.read.operands import read_operands
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import lower_checked


def test_calls_constants_and_blocks_are_read_in_order():
    net = Net((1, 16, 12, 12))
    weights, bias = net.numbers(16, 16, 3, 3), net.numbers(16)
    x = "x0"
    for _ in range(3):
        x = net.relu(net.node("Conv", x, weights, bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    lowered, _ = lower_checked(net, x)
    found = read_operands(lowered["main"])
    kernels = [spans for name, spans in found.calls if name.startswith("f32_")]
    assert len(kernels) == 3
    weights_of = [{span.place for span in spans if span.place in found.constants} for spans in kernels]
    assert weights_of[0] == weights_of[1] == weights_of[2]  # equal constants are one
    assert found.constant_bytes == sum(found.constants.values()) >= 4 * (16 * 16 * 9 + 16)
    tensors = [span for _, spans in found.calls for span in spans if span.place in found.storages]
    assert all(span.offset + span.bytes <= found.storages[span.place] for span in tensors)
    assert [span.bytes for span in found.results] == [4 * 16 * 12 * 12]
    assert found.results[0].tensor in {span.tensor for span in found.calls[-1][1]}

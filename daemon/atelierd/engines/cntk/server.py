"""The CNTK side of the engine: the tutorial's graph, compiled once per size and kept resident.

Runs as a script on CPython 3.6 with numpy and cntk alone, in the environment that
`atelierd cntk install` makes, and is the one source of the protocol: the daemon's side imports the
framing from here, so nothing in this file may need more than Python 3.6, and cntk is imported only
when the server starts.

Protocol: the peers share one end each of a socket pair. A message is a checked header, a JSON
object, then raw little-endian float32 arrays in the order in which the object's `arrays` names
them with their shapes. The first request is HELLO; each request gets one reply, DONE or FAILED.

The server ends when its peer is gone: the socket's end while it waits, and a signal from the
kernel while it computes (CNTK holds Python's global lock for the whole of an evaluation).
"""

import collections
import ctypes
import fcntl
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import time
import warnings
import zlib
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

MAGIC = b"ATCN"
#: Raised by one with every change to what the messages mean.
VERSION = 2
#: Magic, version, kind, bytes of JSON, bytes of arrays, CRC-32 of all that and the JSON.
HEADER = struct.Struct("<4sHHIQI")
#: Upper limits in bytes, so that a damaged length cannot make a peer allocate without end.
MAX_DESCRIPTION = 1 << 20
MAX_PAYLOAD = 1 << 32

HELLO, OBJECTIVE, EVALUATE, TERMS, KNOWN, DONE, FAILED = range(1, 8)

#: Resident bytes that a compiled graph of all of VGG16 takes per pixel, until one is measured.
BYTES_PER_PIXEL = 45000.0

#: What CNTK's exceptions say when the machine or the device has no memory left.
MEMORY_WORDS = ("bad_alloc", "bad allocation", "out of memory", "failed to allocate")

Array = Any
Node = Any


class ProtocolError(Exception):
    """The peer sent something that is no message of this protocol version."""


class PeerGoneError(ProtocolError):
    """The peer closed the socket, or died: between two messages, or within one."""


class GoneError(Exception):
    """The objective asked for was dropped to free memory, or replaced; compile it again."""


class Message(NamedTuple):
    """One message: what it is, its JSON object and its arrays by name."""

    kind: int
    description: Dict[str, Any]
    arrays: Dict[str, Array]


def send_message(
    channel: socket.socket,
    kind: int,
    description: Dict[str, Any],
    arrays: Sequence[Tuple[str, Array]] = (),
) -> None:
    """Send one message. Raises ProtocolError if it is over the limits, OSError from the socket."""
    buffers = [np.asarray(array, dtype="<f4", order="C") for _, array in arrays]
    shapes = [[name, list(buffer.shape)] for (name, _), buffer in zip(arrays, buffers)]
    body = json.dumps(dict(description, arrays=shapes)).encode()
    payload = sum(buffer.nbytes for buffer in buffers)
    if len(body) > MAX_DESCRIPTION or payload > MAX_PAYLOAD:
        raise ProtocolError(
            "a message of %d bytes of JSON and %d of arrays is over the limits, %d and %d"
            % (len(body), payload, MAX_DESCRIPTION, MAX_PAYLOAD)
        )
    start = HEADER.pack(MAGIC, VERSION, kind, len(body), payload, 0)[:-4]
    channel.sendall(start + struct.pack("<I", zlib.crc32(body, zlib.crc32(start))) + body)
    for buffer in buffers:
        channel.sendall(buffer)


def receive_message(channel: socket.socket, deadline: Optional[float] = None) -> Message:
    """Receive one message, until `deadline` by the monotonic clock (seconds).

    Raises ProtocolError for anything that is no message of this version, PeerGoneError at the
    end of the stream, socket.timeout past the deadline, OSError from the socket.
    """
    header = _receive(channel, HEADER.size, deadline)
    magic, version, kind, length, payload, checksum = HEADER.unpack(header)
    if magic != MAGIC:
        raise ProtocolError("not a message: it starts with %r, expected %r" % (magic, MAGIC))
    if version != VERSION:
        raise ProtocolError(
            "the peer speaks version %d of the protocol, expected %d: both sides must come from "
            "the same atelierd; restart the daemon" % (version, VERSION)
        )
    if length > MAX_DESCRIPTION or payload > MAX_PAYLOAD:
        raise ProtocolError(
            "a message announces %d bytes of JSON and %d of arrays, the limits are %d and %d"
            % (length, payload, MAX_DESCRIPTION, MAX_PAYLOAD)
        )
    body = _receive(channel, length, deadline)
    if zlib.crc32(body, zlib.crc32(header[:-4])) != checksum:
        raise ProtocolError("a message was damaged on its way: its checksum does not match")
    try:
        description = json.loads(bytes(body).decode())
        shapes = [(str(name), [int(n) for n in shape]) for name, shape in description["arrays"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError("a message's JSON cannot be read: %s" % error)
    if any(n < 0 for _, shape in shapes for n in shape):
        raise ProtocolError("a message announces an array of negative size: %s" % shapes)
    sizes = [4 * _product(shape) for _, shape in shapes]
    if sum(sizes) != payload:
        raise ProtocolError(
            "a message's arrays take %d bytes, its header says %d" % (sum(sizes), payload)
        )
    arrays = {
        name: np.frombuffer(_receive(channel, size, deadline), dtype="<f4").reshape(shape)
        for (name, shape), size in zip(shapes, sizes)
    }
    return Message(kind, description, arrays)


def _product(shape: Iterable[int]) -> int:
    # Not numpy's, which wraps around at 64 bits.
    product = 1
    for n in shape:
        product *= n
    return product


def _receive(channel: socket.socket, size: int, deadline: Optional[float]) -> bytearray:
    buffer = bytearray(size)
    view = memoryview(buffer)
    got = 0
    while got < size:
        if deadline is not None:
            channel.settimeout(max(0.001, deadline - time.monotonic()))
        count = channel.recv_into(view[got:])
        if not count:
            raise PeerGoneError("the peer is gone after %d of %d bytes" % (got, size))
        got += count
    return buffer


class Network:
    """VGG's convolutions as CNTK constants, shared by every graph that is built from them."""

    def __init__(self, cntk: Any, blocks: List[int], arrays: Dict[str, Array]) -> None:
        self.cntk = cntk
        self.blocks = blocks
        self.convolutions = []
        for i in range(sum(blocks)):
            bias = arrays["conv%d/bias" % i].reshape(-1, 1, 1)
            kernels = arrays["conv%d/kernels" % i]
            self.convolutions.append((self.constant(kernels), self.constant(bias)))

    def constant(self, array: Array) -> Node:
        """Return a constant that holds `array` and can be given another value later."""
        # Made from its shape and then filled: CNTK 2.7 leaks constants made from arrays.
        constant = self.cntk.constant(0, shape=array.shape)
        constant.value = np.asarray(array)
        return constant

    def layers(self, x: Node, names: Iterable[str]) -> Dict[str, Node]:
        """Return the layers called `names` over the image `x`, and no layer below the last."""
        wanted = set(names)
        found = {"image": x}
        kernels_and_bias = iter(self.convolutions)
        convolution = 0
        y = x
        for block, size in enumerate(self.blocks, 1):
            for _ in range(size):
                if wanted <= set(found):
                    return found
                kernels, bias = next(kernels_and_bias)
                y = found["conv%d" % convolution] = self.cntk.relu(self._convolved(y, kernels) + bias)
                convolution += 1
            if wanted <= set(found):
                return found
            y = self.cntk.pooling(y, self.cntk.AVG_POOLING, (2, 2), (2, 2))
            found["pool%d" % block] = y
        if not wanted <= set(found):
            raise ValueError("the network has no layer %s" % sorted(wanted - set(found)))
        return found

    def _convolved(self, y: Node, kernels: Node) -> Node:
        if min(y.shape[1:]) >= 3:
            return self.cntk.convolution(kernels, y, auto_padding=[False, True, True])
        # CNTK pads by itself only what is at least as large as the kernel.
        padded = self.cntk.pad(y, [(0, 0), (1, 1), (1, 1)])
        return self.cntk.convolution(kernels, padded, auto_padding=[False, False, False])

    def gram(self, features: Node, centered: bool) -> Node:
        """Return the Gram matrix of the features, over the number of pixels.

        If `centered`, it is that of the features minus the mean of them all.
        """
        channels, height, width = features.shape
        if centered:
            features = features - self.cntk.reduce_mean(features)
        rows = self.cntk.reshape(features, (channels, height * width))
        return self.cntk.times_transpose(rows, rows) / (height * width)

    def total_variation(self, x: Node) -> Node:
        """Return half the mean squared difference of neighbors, down plus across."""
        _, height, width = x.shape
        down = self.cntk.slice(x, 1, 1, height) - self.cntk.slice(x, 1, 0, height - 1)
        across = self.cntk.slice(x, 2, 1, width) - self.cntk.slice(x, 2, 0, width - 1)
        square = self.cntk.square
        return 0.5 * (self.cntk.reduce_mean(square(down)) + self.cntk.reduce_mean(square(across)))

    def features(
        self, image: Array, content: Iterable[str], style: Iterable[str], centered: bool
    ) -> Tuple[Dict[str, Array], Dict[str, Array]]:
        """Return the content layers and the style layers' Gram matrices of `image` `(3, H, W)`.

        The graph is built, run once and dropped: it has any size and is needed once per image.
        """
        x = self.cntk.input_variable(image.shape)
        layers = self.layers(x, set(content) | set(style))
        outputs = {("content", name): layers[name] for name in content if name != "image"}
        outputs.update({("style", name): self.gram(layers[name], centered) for name in style})
        values: Dict[Tuple[str, str], Array] = {}
        if outputs:
            nodes = [node.output for node in outputs.values()]
            _, results = self.cntk.combine(nodes).forward({x: image[None]}, outputs=nodes)
            values = {key: results[node.output][0] for key, node in outputs.items()}
        kept = {name: values.get(("content", name), image) for name in content}
        return kept, {name: values[("style", name)] for name in style}


class Objective:
    """One compiled graph: image `(3, H, W)` to value and gradient, with replaceable targets."""

    def __init__(self, network: Network, recipe: Dict[str, Any], height: int, width: int) -> None:
        cntk = network.cntk
        self.token = 0
        self.x = cntk.input_variable((3, height, width), needs_gradient=True)
        self.content = {name: weight for name, weight in recipe["content"]}
        self.style = {name: weight for name, weight in recipe["style"]}
        layers = network.layers(self.x, set(self.content) | set(self.style))
        self.targets: Dict[Tuple[str, str], Node] = {}
        self.terms = {"tv": recipe["tv_weight"] * network.total_variation(self.x)}
        for name, weight in recipe["content"]:
            layer = layers[name]
            target = self.targets["content", name] = cntk.constant(0, shape=layer.shape)
            difference = cntk.squared_error(layer, target)
            self._add("content", difference * (weight / _product(layer.shape)))
        for name, weight in recipe["style"]:
            channels = layers[name].shape[0]
            target = self.targets["style", name] = cntk.constant(0, shape=(channels, channels))
            difference = cntk.squared_error(network.gram(layers[name], recipe["centered"]), target)
            self._add("style", difference * (weight / channels ** 2))
        self.loss = sum(self.terms.values())
        self.outputs = {name: node.output for name, node in self.terms.items()}
        self.outputs["value"] = self.loss.output
        self.graph = cntk.combine(list(self.outputs.values()))

    def _add(self, kind: str, term: Node) -> None:
        self.terms[kind] = self.terms[kind] + term if kind in self.terms else term

    def set_targets(self, content: Dict[str, Array], style: Dict[str, Array]) -> None:
        """Compare with these layers and Gram matrices from now on; nothing is compiled again."""
        for (kind, name), constant in self.targets.items():
            target = content[name] if kind == "content" else style[name]
            constant.value = np.ascontiguousarray(target, dtype=np.float32)

    def value_and_gradient(self, image: Array) -> Tuple[Dict[str, float], Array]:
        """Return value and terms at `image` `(3, H, W)`, and the gradient of the same shape."""
        gradient, values = self.graph.grad(
            {self.x: image[None]},
            wrt=[self.x],
            outputs=list(self.outputs.values()),
            grad_root=self.loss.output,
        )
        return self._numbers(values), gradient[0]

    def values(self, image: Array) -> Dict[str, float]:
        """Return value and terms at `image` `(3, H, W)` without the way back."""
        _, values = self.graph.forward({self.x: image[None]}, list(self.outputs.values()))
        return self._numbers(values)

    def _numbers(self, values: Dict[Node, Array]) -> Dict[str, float]:
        numbers = {name: float(values[node].ravel()[0]) for name, node in self.outputs.items()}
        return dict({"content": 0.0, "style": 0.0}, **numbers)


class Cache:
    """Compiled objectives by (recipe, size), the least recently used dropped under a limit."""

    def __init__(self, network: Network, limit: int) -> None:
        self.network = network
        #: Resident bytes above which objectives are dropped, as long as another one is there.
        self.limit = limit
        self.bytes_per_pixel = BYTES_PER_PIXEL
        self.objectives: "collections.OrderedDict[str, Objective]" = collections.OrderedDict()
        self.tokens = 0

    def compile(self, description: Dict[str, Any], arrays: Dict[str, Array]) -> Dict[str, Any]:
        """Answer OBJECTIVE: build or find the graph, set its targets, return its token."""
        recipe = description["recipe"]
        content = arrays["content"]
        _, height, width = content.shape
        key = self.key(recipe, height, width)
        objective = self.objectives.pop(key, None)
        content_names = [name for name, _ in recipe["content"]]
        style_names = [name for name, _ in recipe["style"]]
        grams: Dict[str, Array] = {}
        shares = np.array(description["shares"], dtype=np.float64)
        for i, share in enumerate(shares / shares.sum()):
            _, of_style = self.network.features(
                arrays["style%d" % i], [], style_names, recipe["centered"]
            )
            for name, gram in of_style.items():
                grams[name] = grams.get(name, 0) + np.float32(share) * gram
        kept, _ = self.network.features(content, content_names, [], recipe["centered"])
        found = objective is not None
        if objective is None:
            self._make_room(height * width * self.bytes_per_pixel)
            objective = Objective(self.network, recipe, height, width)
        objective.set_targets(kept, grams)
        self.tokens += 1
        objective.token = self.tokens
        self.objectives[key] = objective
        if not found:
            before = resident()
            objective.value_and_gradient(content)
            measured = (resident() - before) / float(height * width)
            self.bytes_per_pixel = max(1.0, measured)
            self._make_room(0.0)
        return {"token": objective.token, "compiled": not found}

    def key(self, recipe: Dict[str, Any], height: int, width: int) -> str:
        """Return what an objective is kept under."""
        return json.dumps([recipe, height, width], sort_keys=True)

    def _make_room(self, needed: float) -> None:
        while len(self.objectives) > (0 if needed else 1) and resident() + needed > self.limit:
            self.objectives.popitem(last=False)
            gc.collect()
            trim()

    def objective(self, token: int) -> Objective:
        """Return the objective that `token` names, now the most recently used one."""
        for key, objective in self.objectives.items():
            if objective.token == token:
                self.objectives.move_to_end(key)
                return objective
        raise GoneError("objective %d was dropped or replaced" % token)


def resident() -> int:
    """Return this process's resident memory in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def trim() -> None:
    """Give freed memory back to the system, where the C library is GNU's."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass


def end_with_parent() -> None:
    """Have the kernel end this process once every write end of its standard input is closed.

    PR_SET_PDEATHSIG would fire when the *thread* that started the server ends; an end of file on
    the socket is not seen during an evaluation. SIGIO's default action is to end the process.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(0, 0)
    if poll.poll(0):
        sys.exit("the process that started this server is gone")


def start(hello: Message) -> Tuple[Cache, Dict[str, Any]]:
    """Import cntk, choose the device, hold the weights. Raises what cntk raises."""
    if hello.kind != HELLO:
        raise ProtocolError("the first message is of kind %d, expected %d" % (hello.kind, HELLO))
    with warnings.catch_warnings():
        # It warns of a distribution that it does not know and of a missing GPU library.
        warnings.simplefilter("ignore")
        import cntk
    options = hello.description
    if options["threads"]:
        cntk.cntk_py.set_max_num_cputhreads(options["threads"])
    gpu = options["gpu"]
    device = cntk.device.cpu() if gpu is None else cntk.device.gpu(gpu)
    if not cntk.device.try_set_default_device(device):
        raise RuntimeError("CNTK cannot use the device %s" % device)
    network = Network(cntk, options["blocks"], hello.arrays)
    return Cache(network, options["memory_limit"]), {"cntk": cntk.__version__, "device": str(device)}


def answer(cache: Cache, request: Message) -> Tuple[Dict[str, Any], List[Tuple[str, Array]]]:
    """Return the description and the arrays of the reply to one request."""
    if request.kind == OBJECTIVE:
        return cache.compile(request.description, request.arrays), []
    if request.kind == KNOWN:
        key = cache.key(request.description["recipe"], *request.description["size"])
        return {"known": key in cache.objectives}, []
    if request.kind not in (EVALUATE, TERMS):
        raise ProtocolError("a request of kind %d" % request.kind)
    objective = cache.objective(request.description["token"])
    if request.kind == TERMS:
        return dict(objective.values(request.arrays["x"])), []
    numbers, gradient = objective.value_and_gradient(request.arrays["x"])
    return dict(numbers), [("gradient", gradient)]


def reason(error: BaseException) -> Dict[str, str]:
    """Return what a FAILED reply says: the kind of failure and its message."""
    message = str(error).split("[CALL STACK]")[0].strip() or type(error).__name__
    if isinstance(error, GoneError):
        return {"kind": "gone", "message": message}
    if isinstance(error, MemoryError) or any(w in message.lower() for w in MEMORY_WORDS):
        return {"kind": "memory", "message": message}
    return {"kind": "failure", "message": "%s: %s" % (type(error).__name__, message)}


def serve(channel: socket.socket) -> None:
    """Answer requests until the peer is gone."""
    cache: Optional[Cache] = None
    while True:
        try:
            request = receive_message(channel)
        except PeerGoneError:
            return
        began = time.monotonic()
        arrays: List[Tuple[str, Array]] = []
        try:
            if cache is None:
                cache, description = start(request)
            else:
                description, arrays = answer(cache, request)
            kind = DONE
        except Exception as error:
            kind, description = FAILED, dict(reason(error))
        description.update(seconds=time.monotonic() - began, resident=resident())
        send_message(channel, kind, description, arrays)


def main() -> None:
    """Serve the socket whose descriptor is the first argument."""
    # A terminal's or a service manager's signals go to the daemon, which finishes its checkpoint
    # with this server's help and then closes the socket.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    try:
        # If memory runs out, the kernel shall take this process, which the daemon can replace.
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        pass
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=int(sys.argv[1])) as channel:
        serve(channel)


if __name__ == "__main__":
    main()

"""One tree of several: files over files, kernels over `defaults`, a kernel's `restarts` over those of all.

Mappings with known keys are merged key by key, anything else is replaced whole. Every value keeps its own place.
"""

from graced.config.file_table import FILE, Partial
from graced.config.kernel_table import KERNEL
from graced.yaml_source.node import Node
from graced.yaml_source.record import Record, Tagged
from graced.yaml_source.shape import Either, MapOf, Nullable, Shape

_GLOBAL_ONLY = "parallel"


def merge(under: Node, over: Node, shape: Shape) -> Node:
    """`over` with what it leaves open taken from `under`. Neither is changed."""
    if over.blank and under.kind == "mapping" and _inner(shape) is not None:
        over = Node("mapping", over.file, over.line, over.column)
    if under.kind != "mapping" or over.kind != "mapping":
        return over
    inner = _inner(shape)
    if inner is None or (isinstance(inner, Tagged) and not _same_kind(inner, under, over)):
        return over
    merged = {key.text: (key, node) for key, node in under.pairs}
    for key, node in over.pairs:
        below, child = merged.get(key.text), _child(inner, key.text)
        merged[key.text] = (key, merge(below[1], node, child) if below is not None and child is not None else node)
    return Node("mapping", over.file, over.line, over.column, pairs=list(merged.values()))


def complete(root: Node) -> Node:
    """The tree with `defaults` and the general `restarts` put under each kernel."""
    pair = root.pair("kernels")
    if pair is None or pair[1].kind != "mapping":
        return root
    defaults, general = root.get("defaults"), root.get("restarts")
    kernels = []
    for key, node in pair[1].pairs:
        if defaults is not None and defaults.kind == "mapping":
            node = merge(defaults, node, KERNEL)
        kernels.append((key, _with_restarts(node, general)))
    whole = Node("mapping", pair[1].file, pair[1].line, pair[1].column, pairs=kernels)
    pairs = [(key, whole if key is pair[0] else node) for key, node in root.pairs]
    return Node("mapping", root.file, root.line, root.column, pairs=pairs)


def _with_restarts(kernel: Node, general: Node | None) -> Node:
    own = kernel.pair("restarts")
    if own is None or general is None or general.kind != "mapping":
        return kernel
    under = Node(
        "mapping", general.file, general.line, general.column,
        pairs=[pair for pair in general.pairs if pair[0].text != _GLOBAL_ONLY],
    )  # fmt: skip
    merged = merge(under, own[1], KERNEL.keys["restarts"].shape)
    pairs = [(key, merged if key is own[0] else node) for key, node in kernel.pairs]
    return Node("mapping", kernel.file, kernel.line, kernel.column, pairs=pairs)


def _inner(shape: Shape) -> Record | MapOf | Tagged | None:
    if isinstance(shape, Nullable):
        return _inner(shape.inner)
    if isinstance(shape, Partial):
        return shape.record
    return shape if isinstance(shape, Record | MapOf | Tagged) and not isinstance(shape, Either) else None


def _child(shape: Record | MapOf | Tagged, key: str) -> Shape | None:
    """The shape of a key; None: what is written there is not merged."""
    if isinstance(shape, MapOf):
        return shape.inner
    if isinstance(shape, Record):
        return shape.keys[key].shape if key in shape.keys else None
    return None


def _same_kind(shape: Tagged, under: Node, over: Node) -> bool:
    """`over` does not say another kind: else the keys of the one would be unknown to the other."""
    tag = shape.tag.name
    return over.get(tag) is None or shape.variant(over) is shape.variant(under)


def merge_files(roots: list[Node]) -> Node:
    """The first file, with each later one over it."""
    whole = roots[0]
    for root in roots[1:]:
        whole = merge(whole, root, FILE)
    return whole

"""A net's answer to many pictures that differ from one picture in one pixel, or in a few: only what can have changed is computed.

One pixel changes 2 x 2 values after a 2x2 convolution, 4 x 4 after a 3x3 one behind it, at most 3 x 3 after a 2x2 pool ...
Every other value is the untouched picture's, computed once. A layer's windows are held as (n, n, B, C): place, candidate,
channel, so that a gather moves whole rows of channels and the arithmetic is matrix products. 3x3 convolutions use Winograd's
minimal filtering F(m x m, 3 x 3) (Winograd 1980; Lavin & Gray 2016, arXiv:1509.09308): (m + 2)^2 products for m^2 outputs
instead of 9 m^2. Batch norms are folded. The result is the net's own up to float rounding, borders and zero padding included.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.classifiers import ConvNormAct, Normalise, ResidualStage

Logits = Callable[[Tensor, Tensor], Tensor]
MOST_PIXELS = 8  # more of them leave little untouched
TILES = (2, 3, 4, 5, 6)  # Winograd's m; from 7 on single precision suffers. None: products one by one
REACH = (4, 5, 6, 7, 8)  # the same for a change convolved alone


@dataclass(frozen=True)
class Layer:
    """A convolution of stride 1 and what stands between it and the next one.

    after: functions of (..., C), in their order; pool: the factor by which they shrink the map.   skip: the input is added at the end.
    Its place in the chain: the map that comes in is height x height; `windows` windows of a candidate come out, made x made values
    before the pool; Winograd's m (0: none); reach: made, if the change alone is convolved (0: the window with what surrounds it);
    covered: the window that comes in is the whole map.
    """

    weight: Tensor
    bias: Tensor
    kernel: int
    pad: int
    after: tuple[Callable[[Tensor], Tensor], ...] = ()
    pool: int = 1
    skip: bool = False
    height: int = 0
    windows: int = 1
    made: int = 0
    m: int = 0
    reach: int = 0
    covered: bool = False


@dataclass(frozen=True, eq=False)
class Chain:
    """head: what works on single pixels; layers, each with its transformed weights; tail: what takes the last map, which is the last
    layer's window if `covered`."""

    head: nn.Module
    layers: tuple[tuple[Layer, Tensor], ...]
    tail: nn.Module
    covered: bool


def evaluator(model: nn.Module, x: Tensor, *, pixels: int) -> Logits | None:
    """(places (B, k) int64, row * W + column, colours (B, k, C) in [0, 1]) -> logits (B, K), for the picture x (1, C, H, H).

    Each pixel has its own window, and every window holds the values of the candidate as a whole, so windows may overlap; from the
    layer on where the whole map is cheaper than k windows, there is one window, the map.
    None if the model is not a chain of the layers known here, or k > MOST_PIXELS; then its own forward has to do.
    """
    if not isinstance(model, nn.Sequential) or model.training or x.shape[2] != x.shape[3] or pixels > MOST_PIXELS:
        return None
    chain = _prepared(model, x.shape[2], pixels, tuple(t._version for t in model.state_dict().values()))
    if chain is None:
        return None
    side, (clean, last, height) = x.shape[2], _untouched(chain, _Picture(x))

    def logits(places: Tensor, colours: Tensor) -> Tensor:
        row, column = (places // side).T.contiguous(), (places % side).T.contiguous()
        patch = chain.head(colours.transpose(0, 1).flatten(0, 1)[..., None, None]).permute(2, 3, 0, 1)
        for (layer, weight), untouched in zip(chain.layers, clean, strict=True):
            patch, row, column = (_advance_change if layer.reach else _advance)(layer, weight, *untouched, patch, row, column)
        if not chain.covered:
            everything = torch.arange(height, device=x.device)[:, None].expand(-1, len(places))
            patch = _gather(last, height, patch, row, column, everything, everything)
        return chain.tail(patch.permute(2, 3, 0, 1).contiguous(memory_format=torch.channels_last))

    return logits


def batch(pixels: int) -> int:
    """How many candidates at once are fastest: a population of the paper's size, less with more pixels."""
    return max(48, 512 // pixels)


class _Picture:
    """A picture that equals another of the same pixels, so that the last ones can be remembered."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.key = x, (x.shape, x.dtype, x.device, x.cpu().numpy().tobytes())

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Picture) and self.key == other.key


@functools.lru_cache(maxsize=8)
@torch.no_grad()
def _untouched(chain: Chain, picture: _Picture) -> tuple[list[tuple[Tensor, Tensor]], Tensor, int]:
    """The picture's own values, as rows: before and behind each convolution, then the last map, and that map's height."""
    a, clean = chain.head(picture.x).permute(2, 3, 0, 1), []
    for layer, _ in chain.layers:
        y = F.conv2d(a.permute(2, 3, 0, 1), layer.weight, layer.bias, padding=layer.pad).permute(2, 3, 0, 1)
        clean.append((_rows(a), _rows(y)))
        a = _finish(layer, y, a)
    return clean, _rows(a), a.shape[0]


# --- reading the net ---------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4)
def _prepared(model: nn.Module, side: int, pixels: int, versions: tuple[int, ...]) -> Chain | None:
    """The net read, placed for pictures of this side and number of pixels, its weights transformed; once for each state of the weights."""
    chain = _chain(model)
    if chain is None:
        return None
    head, layers, tail = chain
    ready, height, size, windows, covered = [], side, 1, pixels, False
    for layer in layers:
        layer = replace(_placed(layer, height, size, windows), covered=covered)
        height, size, windows = (height + 2 * layer.pad - layer.kernel + 1) // layer.pool, layer.made // layer.pool, layer.windows
        covered = size == height and windows == 1 and (not layer.reach or layer.pool > 1)  # kept inside the map
        ready.append((layer, _transformed(layer)))
    return Chain(head, tuple(ready), tail, covered)


def _chain(model: nn.Sequential) -> tuple[nn.Module, list[Layer], nn.Module] | None:
    """The net as (what works on single pixels, convolutions, what takes the last map), or None if it cannot be read so."""
    modules = _flat(model)
    first = next((i for i, (m, _) in enumerate(modules) if not isinstance(m, Normalise)), len(modules))
    layers: list[Layer] = []
    for i, (m, skip) in enumerate(modules[first:], first):
        if isinstance(m, nn.Conv2d):
            same = m.kernel_size[0] == m.kernel_size[1] and isinstance(m.padding, tuple) and m.padding[0] == m.padding[1]
            plain = m.stride == m.dilation == (1, 1) and m.groups == 1 and m.padding_mode == "zeros"
            if not (same and plain):
                break
            bias = m.bias if m.bias is not None else m.weight.new_zeros(len(m.weight))
            layers.append(Layer(m.weight.detach(), bias.detach(), m.kernel_size[0], m.padding[0], skip=skip))
        elif not layers or (after := _after(layers[-1], m)) is None:
            break
        else:
            layers[-1] = after
    else:
        i = len(modules)
    tail = [m for m, _ in modules[i:]]
    if not layers or any(skip for _, skip in modules[i:]):
        return None
    return nn.Sequential(*(m for m, _ in modules[:first])), layers, nn.Sequential(*tail)


def _flat(module: nn.Module, skip: bool = False) -> list[tuple[nn.Module, bool]]:
    """The modules in the order in which they run, each with whether it stands in a residual branch."""
    if isinstance(module, nn.Sequential):
        return [pair for child in module for pair in _flat(child, skip)]
    if isinstance(module, ConvNormAct):
        return [(m, skip) for m in (module.conv, module.pool, module.norm, module.act)]
    if isinstance(module, ResidualStage):
        return _flat(module.down) + _flat(module.residual, True)
    return [(module, skip)]


def _after(layer: Layer, m: nn.Module) -> Layer | None:
    """The layer followed by m; a batch norm directly behind the convolution goes into its weights."""
    if isinstance(m, (nn.Identity, nn.Dropout)):
        return layer
    if isinstance(m, (nn.GELU, nn.ReLU)):
        return replace(layer, after=(*layer.after, m))
    if isinstance(m, nn.BatchNorm2d) and m.affine and m.running_var is not None:
        scale = (m.weight / (m.running_var + m.eps).sqrt()).detach()
        shift = (m.bias - m.running_mean * scale).detach()
        if not layer.after:
            return replace(layer, weight=layer.weight * scale[:, None, None, None], bias=layer.bias * scale + shift)
        return replace(layer, after=(*layer.after, lambda y: torch.addcmul(shift, y, scale)))
    if isinstance(m, nn.MaxPool2d) and m.kernel_size == m.stride == 2 and not m.padding and not m.ceil_mode and m.dilation == 1:
        return replace(layer, after=(*layer.after, _max_pool), pool=layer.pool * 2) if layer.pool == 1 else None
    return None


def _max_pool(y: Tensor) -> Tensor:
    """(n, n, B, C) -> (n // 2, n // 2, B, C), the largest of each 2x2."""
    n = len(y) // 2 * 2
    y = torch.maximum(y[0:n:2], y[1:n:2])
    return torch.maximum(y[:, 0:n:2], y[:, 1:n:2])


# --- one layer ---------------------------------------------------------------------------------------------------------------


def _placed(layer: Layer, height: int, size: int, windows: int) -> Layer:
    """The layer behind a map of this height, into which `windows` windows of `size` x `size` come."""
    k, pool, out = layer.kernel, layer.pool, height + 2 * layer.pad - layer.kernel + 1
    whole, reached = out // pool, size + k - 1
    cells = min(whole, (reached - 2) // pool + 2 if pool > 1 else reached)  # a window of n lies in at most (n - 2) // p + 2 pool cells

    def best(made: int) -> tuple[int, int]:  # products, m
        if k != 3 or not TILES:
            return (made * k) ** 2, 0
        return min(((-(-made // m) * (m + 2)) ** 2, m) for m in TILES)

    (few, m), (all_, m_all) = best(cells * pool), best(whole * pool)
    # windows of several pixels overlap: what a change adds to its neighbours' is not in them
    alone = windows == 1 and k == 3 and reached in REACH and reached**2 < min(few, all_) and reached <= out
    if windows * few >= all_ and not alone:
        windows, cells, m = 1, whole, m_all
    return replace(layer, height=height, windows=windows, made=cells * pool, m=m, reach=reached * alone)


def _rows(a: Tensor) -> Tensor:
    """A map (H, H, 1, C) as rows of channels, with a row of zeros before them."""
    return torch.cat([a.new_zeros(1, a.shape[3]), a.flatten(0, 2)])


def _advance(
    layer: Layer, weight: Tensor, clean: Tensor, _: Tensor, patch: Tensor, row: Tensor, column: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Windows (n, n, W * B, C) with their upper left corners (W, B), before the layer -> the same behind it.

    A value at i reaches the outputs i + pad - k + 1 ... i + pad; windows begin at a whole pool cell and are kept inside the map.
    """
    k, pool, device = layer.kernel, layer.pool, row.device
    free = (layer.height + 2 * layer.pad - k + 1) // pool - layer.made // pool
    start = [(s[: layer.windows] + layer.pad - k + 1).div(pool, rounding_mode="floor").clamp(0, free) for s in (row, column)]
    m = layer.m or layer.made
    t = -(-layer.made // m)
    tiled = (torch.arange(m + k - 1, device=device)[:, None] + torch.arange(t, device=device) * m).view(-1, 1) - layer.pad
    whole = t == 1 and layer.windows == 1 and free == 0
    inside = (layer.pad, min(m + k - 1, layer.pad + layer.height)) if whole and layer.m else (0, m + k - 1)
    if whole:
        tiled = tiled[slice(*inside)]  # what is known to be zero takes no part
    if layer.covered and whole and len(tiled) == layer.height:
        taken = patch
    else:
        rows, columns = (s.view(1, -1) * pool for s in start)
        taken = _gather(clean, layer.height, patch, row, column, rows + tiled, columns + tiled)
    if layer.m:
        y = _winograd(layer, weight, taken, t, inside)
    else:
        y = torch.cat([taken[i : i + m, j : j + m] for i in range(k) for j in range(k)], 3) @ weight + layer.bias
    if layer.skip and not (layer.covered and whole):  # same size, no pool: the input under the window that goes out
        window = torch.arange(layer.made, device=device)[:, None]
        rows, columns = (s.view(1, -1) for s in start)
        patch = _gather(clean, layer.height, patch, row, column, rows + window, columns + window)
    return _finish(layer, y, patch), *start


def _advance_change(
    layer: Layer, weight: Tensor, clean: Tensor, clean_out: Tensor, patch: Tensor, row: Tensor, column: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same for one window of a candidate by linearity: conv(clean + d) = conv(clean) + conv(d), the change d being n x n.

    (n + 2)^2 outputs cost (n + 2)^2 products, where a window with its surroundings needs (n + 4)^2. Windows may stand over the border.
    """
    n, N, height, device = patch.shape[0], layer.reach, layer.height, row.device
    out = height + 2 * layer.pad - 2
    place, reached = torch.arange(n, device=device)[:, None], torch.arange(N, device=device)[:, None]
    d = (patch - _lookup(clean, height, row + place, column + place)).mul_(_inside(height, row + place, column + place)[..., None])
    E, _, D = (M.to(d) for M in _products(n))
    M = torch.bmm((E @ d.view(n * n, -1)).view(N * N, -1, d.shape[3]), weight)
    start = [s + layer.pad - 2 for s in (row, column)]
    rows, columns = (s + reached for s in start)
    y = _lookup(clean_out, out, rows, columns)
    y.view(N * N, -1).addmm_(D, M.flatten(1))
    came = y
    if layer.skip:  # pad is 1: the change stands in the middle
        came = _lookup(clean, height, rows, columns)
        came[1:-1, 1:-1] += d
    if layer.pool > 1:
        free = out // layer.pool - layer.made // layer.pool
        cells = [s.div(layer.pool, rounding_mode="floor").clamp(0, free) for s in start]
        window = torch.arange(layer.made, device=device)[:, None]
        y = _gather(clean_out, out, y, *start, *(c * layer.pool + window for c in cells))
        start = cells
    return _finish(layer, y, came), *start


def _finish(layer: Layer, y: Tensor, came: Tensor) -> Tensor:
    for f in layer.after:
        y = f(y)
    return y.add_(came) if layer.skip else y


def _inside(height: int, rows: Tensor, columns: Tensor) -> Tensor:
    """(I, J, B): whether rows (I, B) and columns (J, B) are in the map."""
    return ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < height))[None]


def _index(height: int, rows: Tensor, columns: Tensor) -> Tensor:
    """(I, J, B): where a map's table has them, 0, the row of zeros, outside."""
    return torch.where(_inside(height, rows, columns), 1 + (rows * height)[:, None] + columns[None], 0)


def _lookup(clean: Tensor, height: int, rows: Tensor, columns: Tensor) -> Tensor:
    """(I, J, B, C): the untouched values at rows (I, B) and columns (J, B), 0 outside."""
    index = _index(height, rows, columns)
    return clean.index_select(0, index.flatten()).view(*index.shape, -1)


def _gather(clean: Tensor, height: int, patch: Tensor, row: Tensor, column: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(I, J, V * B, C): the values at rows (I, V * B) and columns (J, V * B), from a window that holds them, else clean, else 0."""
    n, (windows, B) = patch.shape[0], row.shape
    index, mapped = _index(height, rows, columns), _inside(height, rows, columns)
    candidate = torch.arange(rows.shape[1], device=row.device) % B
    for w in range(windows):
        p, q = rows - row[w, candidate], columns - column[w, candidate]
        held = _inside(n, p, q) & mapped
        index = torch.where(held, len(clean) + ((p * n)[:, None] + q[None]) * (windows * B) + w * B + candidate, index)
    return torch.cat([clean, patch.reshape(-1, patch.shape[3])]).index_select(0, index.flatten()).view(*index.shape, -1)


@functools.cache
def _toom_cook(m: int) -> tuple[Tensor, Tensor, Tensor]:
    """A (m x n), G (n x 3), B (n x n) of F(m, 3), n = m + 2: y = A [(G g) * (B d)], products at n - 1 points and at infinity.

    By transposition of: a polynomial product is known from its values at n points. Two dimensions: the Kronecker squares.
    """
    return _squares(_values(m, m + 2).T, _values(3, m + 2), _values(m + 2, m + 2).inverse().T)


@functools.cache
def _products(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """E (N x n), G (N x 3), D (N x N), N = n + 2: all n + 2 values of a convolution of n with 3 are D [(G g) * (E d)]; squared likewise."""
    return _squares(_values(n, n + 2), _values(3, n + 2), _values(n + 2, n + 2).inverse())


def _values(k: int, N: int) -> Tensor:
    """(N, k): a polynomial of k coefficients at N - 1 points and at infinity."""
    points = torch.tensor([0, 1, -1, 2, -2, 0.5, -0.5][: N - 1], dtype=torch.float64)
    return torch.cat([points[:, None] ** torch.arange(k), torch.eye(k, dtype=torch.float64)[-1:]])


def _squares(*matrices: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.kron(M, M).contiguous() for M in matrices)


def _transformed(layer: Layer) -> Tensor:
    """The weights as the products want them: (P, C_in, C_out) for Winograd's P points, else (k * k * C_in, C_out)."""
    w = layer.weight.permute(2, 3, 1, 0)  # k, k, C_in, C_out
    if layer.reach:  # a net's convolution is a correlation: the kernel is turned round
        G = _products(layer.reach - 2)[1].to(w)
        return (G @ w.flip(0, 1).reshape(9, -1)).view(-1, *w.shape[2:])
    if not layer.m:
        return w.flatten(0, 2).contiguous()
    G = _toom_cook(layer.m)[1].to(w)
    return (G @ w.reshape(9, -1)).view(-1, *w.shape[2:])


def _winograd(layer: Layer, weight: Tensor, d: Tensor, t: int, inside: tuple[int, int]) -> Tensor:
    """d: ((m + 2) t, (m + 2) t, B, C), tiles by their places -> (made, made, B, C_out). Of a single tile d holds the places `inside`."""
    m, B = layer.m, d.shape[2]
    A, _, Bt = (M.to(d) for M in _toom_cook(m))
    if t > 1:
        d = d.view(m + 2, t, m + 2, t, B, -1).transpose(1, 2)
    held = slice(*inside)
    Bt = Bt.view(-1, m + 2, m + 2)[:, held, held].flatten(1)
    V = Bt @ d.reshape(Bt.shape[1], -1)
    M = torch.bmm(V.view(len(V), t * t * B, -1), weight)
    M[m + 3] += layer.bias  # the product at the points (1, 1) goes into every output once
    y = (A @ M.flatten(1)).view(m, m, t, t, B, -1).permute(2, 0, 3, 1, 4, 5)
    return y.reshape(m * t, m * t, B, -1)[: layer.made, : layer.made]

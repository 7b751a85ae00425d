"""Attacks that follow the gradient of the loss in the picture: FGSM, BIM and PGD, L-BFGS.

Notation of the papers: x the picture, y the class, J the cross-entropy, eps the budget in L-inf, alpha the step.
Pixels are (B, C, H, W) in [0, 1]; the model normalises inside; it and x are left untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from core.checks import UserError

Model = Callable[[Tensor], Tensor]


def fgsm(model: Model, x: Tensor, y: Tensor, *, eps: float | Tensor, targeted: bool = False) -> Tensor:
    """Fast gradient sign method (Goodfellow, Shlens & Szegedy 2015, arXiv:1412.6572).

        x' = clip(x + eps * sign(dJ(model(x), y) / dx), 0, 1)

    model: (B, C, H, W) pixels in [0, 1] -> (B, K) logits.   x: (B, C, H, W), left untouched.
    y: (B,) int64, the class to leave, or to reach if targeted (then the sign is turned round).
    eps: largest change of one channel as a fraction of the range, one number or one per picture (B,).
    Returns pixels like x, detached, max |x' - x| <= eps. Raises UserError if eps is outside [0, 1].
    """
    x, eps = x.detach(), _per_picture("epsilon", eps, x)
    return (x + eps * gradient_sign(model, x, y, targeted=targeted)).clamp(0, 1)


def gradient_sign(model: Model, x: Tensor, y: Tensor, *, targeted: bool = False) -> Tensor:
    """s = sign(dJ/dx), or -sign(dJ/dx) if targeted: the direction of FGSM, each value -1, 0 or 1, shaped like x."""
    g = _gradient(model, x, y)
    return -g.sign() if targeted else g.sign()


def pgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float | Tensor,
    step: float | Tensor,
    steps: int,
    targeted: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Basic iterative method (Kurakin et al. 2017, arXiv:1607.02533); with a random start, PGD (Madry et al. 2018, arXiv:1706.06083).

        x'_0 = x, or x + uniform(-eps, eps) if a generator is given, clipped to [0, 1]
        x'_{t+1} = clip(x'_t + step * sign(dJ(model(x'_t), y) / dx'_t), x - eps, x + eps), then to [0, 1]

    eps, step: fractions of the range, one number or one per picture (B,).   steps: how many gradients, >= 0.
    generator: draws the start, on the CPU, so that a seed gives the same start on every device; None means BIM.
    x, y, targeted, the result and its errors as in `fgsm`.
    """
    for x_adv in pgd_steps(model, x, y, eps=eps, step=step, steps=steps, targeted=targeted, generator=generator):
        pass
    return x_adv


def pgd_steps(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    eps: float | Tensor,
    step: float | Tensor,
    steps: int,
    targeted: bool = False,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """The iterates x'_0 ... x'_steps of `pgd`, one after the other, for a caller that shows progress or stops early."""
    x, eps, step = x.detach(), _per_picture("epsilon", eps, x), _per_picture("step", step, x)
    if steps < 0:
        raise UserError(f"steps was {steps}; give a whole number from 0.")
    if targeted:
        step = -step
    low, high = (x - eps).clamp_(min=0), (x + eps).clamp_(max=1)
    x_adv = x.clone()
    if generator is not None:
        noise = torch.rand(x.shape, generator=generator, dtype=x.dtype).to(x.device) * 2 - 1
        x_adv = (x_adv + eps * noise).clamp(0, 1)
    yield x_adv
    for _ in range(steps):
        g = _gradient(model, x_adv, y)
        x_adv = torch.clamp(x_adv + step * g.sign_(), low, high)
        yield x_adv


def lbfgs(model: Model, x: Tensor, target: Tensor, *, c: float | Tensor, steps: int) -> Tensor:
    """The box-constrained L-BFGS attack (Szegedy et al. 2014, arXiv:1312.6199).

        minimise  c * |r|_2 + J(model(x + r), target)   over  x + r in [0, 1]

    target: (B,) int64, the class to reach.   c > 0: the price of distance, one number or one per picture (B,); a large c
    leaves the picture alone, a small one pays any distance for the target.   steps: quasi-Newton iterations, >= 0.
    Every picture of the batch is its own problem. Returns x + r like x, detached. Raises UserError for a c that is not > 0.
    """
    for x_adv in lbfgs_steps(model, x, target, c=c, steps=steps):
        pass
    return x_adv


def lbfgs_steps(model: Model, x: Tensor, target: Tensor, *, c: float | Tensor, steps: int, memory: int = 10) -> Iterator[Tensor]:
    """The iterates of `lbfgs`: projected L-BFGS, `memory` pairs, two-loop recursion, backtracking along the projection arc.

    A pixel that stands at 0 or 1 and is pushed outwards takes no part in a step (Bertsekas' active set, 1982). A picture that a step
    cannot improve forgets its pairs; one that steepest descent cannot improve either is at rest. The last to rest ends the loop.
    """
    c = torch.as_tensor(c, dtype=x.dtype, device=x.device).reshape(-1)
    if bool((bad := ~((c > 0) & c.isfinite())).any()):
        raise UserError(f"c was {c[bad][0].item():g}; give a price of distance greater than 0.")
    if len(c) not in (1, len(x)):
        raise UserError(f"{len(c)} values of c for {len(x)} pictures; give one, or one per picture.")
    if steps < 0:
        raise UserError(f"steps was {steps}; give a whole number from 0.")
    shape, flat = x.shape, x.detach().flatten(1)

    def objective(z: Tensor) -> tuple[Tensor, Tensor]:
        z = z.detach().requires_grad_()
        r = (z - flat).norm(dim=1)  # autograd's subgradient of |r| at r = 0 is 0
        f = c * r + F.cross_entropy(model(z.view(shape)), target, reduction="none")
        return f.detach(), torch.autograd.grad(f.sum(), z)[0]

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(1, keepdim=True)

    z = flat.clone()
    yield z.view(shape)
    if steps == 0:
        return
    f, g = objective(z)
    pairs: list[tuple[Tensor, Tensor, Tensor]] = []  # s, y, 1 / (s.y), or 0 where the curvature is not positive
    fresh = torch.ones(len(x), 1, dtype=torch.bool, device=x.device)  # has no pairs: the step is steepest descent
    rests = torch.zeros_like(fresh)
    for _ in range(steps):
        free = ~((z <= 0) & (g > 0) | (z >= 1) & (g < 0))
        q, alphas = g * free, []
        for s, y, rho in reversed(pairs):
            alphas.append(rho * dot(s, q))
            q = q - alphas[-1] * y
        if pairs:
            s, y, rho = pairs[-1]
            q = torch.where(rho > 0, q / (rho * dot(y, y)).clamp(min=1e-12), q)
        for (s, y, rho), a in zip(pairs, reversed(alphas), strict=True):
            q = q + s * (a - rho * dot(y, q))
        d = -q * free
        descends = dot(d, g) < 0
        d = torch.where(descends, d, -g * free)
        # the first step, and one without curvature, has length 1 in L2 at most; others start at the full quasi-Newton step
        known = bool(pairs) & descends & (pairs[-1][2] > 0 if pairs else False)
        t = torch.where(known, 1.0, 1 / d.norm(dim=1, keepdim=True).clamp(min=1e-12))
        new_z, new_f, new_g, todo = z.clone(), f.clone(), g.clone(), ~rests
        for _ in range(10):
            trial = (z + t * d).clamp(0, 1)
            f_t, g_t = objective(trial)
            good = todo & (f_t[:, None] <= f[:, None] + 1e-4 * dot(g, trial - z))
            new_z, new_g = torch.where(good, trial, new_z), torch.where(good, g_t, new_g)
            new_f = torch.where(good[:, 0], f_t, new_f)
            todo = todo & ~good
            if not bool(todo.any()):
                break
            t = torch.where(todo, t / 4, t)
        s, y = new_z - z, new_g - g
        sy = dot(s, y)
        pairs = [*pairs, (s, y, torch.where(sy > 1e-10, 1 / sy.clamp(min=1e-10), torch.zeros_like(sy)))][-memory:]
        pairs = [(s, y, rho * ~todo) for s, y, rho in pairs]
        rests, fresh = rests | todo & fresh, (fresh | todo) & (sy <= 1e-10)
        z, f, g = new_z, new_f, new_g
        yield z.view(shape)
        if bool(rests.all()):
            return


def _gradient(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """dJ/dx for each picture: the sum of the losses keeps the pictures of a batch independent."""
    x = x.detach().requires_grad_()
    loss = F.cross_entropy(model(x), y, reduction="sum")
    return torch.autograd.grad(loss, x)[0]


def _per_picture(name: str, value: float | Tensor, x: Tensor) -> Tensor:
    """A fraction of the range as (B or 1, 1, 1, 1) on x's device; UserError if a value is outside [0, 1] or not a number."""
    values = torch.as_tensor(value, dtype=x.dtype, device=x.device).reshape(-1, 1, 1, 1)
    if bool((bad := ~((values >= 0) & (values <= 1))).any()):
        raise UserError(f"{name} was {values[bad][0].item():g}; give a fraction of the range, from 0 to 1 (8/255 is 0.031).")
    if len(values) not in (1, len(x)):
        raise UserError(f"{len(values)} values of {name} for {len(x)} pictures; give one, or one per picture.")
    return values

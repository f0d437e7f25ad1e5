import numpy as np
import pytest
import torch
from macromicro.models.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_singular_values_become_nearly_one_and_directions_stay(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in shape)
    values = np.linspace(0.3, 2.0, min(shape))
    matrix = left[:, : len(values)] * values @ right[: len(values)]
    found = orthogonalise(torch.from_numpy(np.stack([matrix, 100 * matrix])).float())
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)
    inside = left[:, : len(values)].T @ found[0].double().numpy() @ right[: len(values)].T
    assert np.abs(inside - np.diag(np.diag(inside))).max() < 1e-4
    assert 0.65 < np.diag(inside).min() < np.diag(inside).max() < 1.25


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5)])
def test_two_steps_by_the_definition(shape: tuple[int, int]) -> None:
    rng = torch.Generator().manual_seed(1)
    start = torch.randn(shape, generator=rng)
    gradients = [torch.randn(shape, generator=rng) for _ in range(2)]
    weight = torch.nn.Parameter(start.clone())
    optimizer = Muon([weight], learning_rate=0.1, weight_decay=0.5)
    expected, momentum = start, torch.zeros(shape)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        direction = orthogonalise((0.05 * gradient + 0.95 * momentum)[None])[0]
        expected = 0.95 * expected - 0.1 * max(1, shape[0] / shape[1]) ** 0.5 * direction
        torch.testing.assert_close(weight.detach(), expected)
        torch.testing.assert_close(weight.grad, gradient)


def test_matrices_of_one_shape_do_not_touch_each_other() -> None:
    rng = torch.Generator().manual_seed(2)
    weights = [torch.nn.Parameter(torch.zeros(3, 3)) for _ in range(2)]
    for weight in weights:
        weight.grad = torch.randn(3, 3, generator=rng)
    Muon(weights, learning_rate=1.0, weight_decay=0.0).step()
    for weight in weights:
        torch.testing.assert_close(weight.detach(), -orthogonalise(0.0975 * weight.grad[None])[0])

import numpy as np
import pytest
import torch
from macromicro.models.optimise import rate_shares, update


def test_rates_warm_up_and_fall() -> None:
    shares = rate_shares(100, warmup_share=0.05, final_share=0.1)
    assert shares[:5].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert (np.diff(shares[5:]) < 0).all()
    assert shares[-1] == pytest.approx(0.1, abs=0.01)
    assert len(rate_shares(1, warmup_share=0.05, final_share=0.1)) == 1


@pytest.mark.parametrize(("gradient", "moved"), [(0.3, 0.3), (50.0, 1.0)])
def test_an_update_cuts_the_gradient_over_all_optimisers_and_forgets_it(gradient: float, moved: float) -> None:
    weights = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2))]
    for weight in weights:
        weight.grad = torch.full((2,), gradient / 2)
    update({torch.optim.SGD([weights[0]], lr=9.0): 0.5, torch.optim.SGD([weights[1]], lr=9.0): 2.0})
    assert weights[0].tolist() == pytest.approx([-0.5 * moved / 2] * 2, rel=1e-4)
    assert weights[1].tolist() == pytest.approx([-2.0 * moved / 2] * 2, rel=1e-4)
    assert all(weight.grad is None for weight in weights)

"""Logit arithmetic: the known vectors, on numpy arrays and torch tensors alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftmill.train.logits import contrast, implicit_reward, log_softmax, proxy_tune, realign, softmax

REFERENCE, ALIGNED = [2.0, 1.0, 0.0], [1.0, 2.0, 0.0]
STRONG, WEAK = [0.6, 0.3, 0.09, 0.01], [0.7, 0.1, 0.1, 0.1]
logits = st.lists(st.floats(-20, 20), min_size=3, max_size=3)


@pytest.fixture(params=["numpy", "torch"])
def array(request):
    if request.param == "numpy":
        return lambda values: np.array(values, float)
    torch = pytest.importorskip("torch", reason="the extra `train` is not installed")
    return lambda values: torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("strength", "chances"),
    [
        (0, [0.6652, 0.2447, 0.0900]),
        (0.5, [0.4498, 0.4498, 0.1004]),
        (1, [0.2447, 0.6652, 0.0900]),
        (2, [0.0453, 0.9094, 0.0453]),
    ],
)
def test_realigned_chances_are_the_known_ones(array, strength, chances):
    assert np.asarray(softmax(realign(array(REFERENCE), array(ALIGNED), strength))) == pytest.approx(chances, abs=1e-4)


def test_proxy_tuned_chances_are_the_known_ones(array):
    mixed = proxy_tune(array(REFERENCE), array(ALIGNED), array([1.0, 1.0, 0.0]))
    assert np.asarray(softmax(mixed)) == pytest.approx([0.4683, 0.4683, 0.0634], abs=1e-4)


@pytest.mark.parametrize(
    ("beta", "scores", "best"),
    [(None, [-0.1542, 1.0986, -0.1054], 1), (0.5, [-0.5879, -0.6547, -2.4606], 0)],
)
def test_contrasted_scores_are_the_known_ones_and_the_implausible_is_masked(array, beta, scores, best):
    found = np.asarray(contrast(array(np.log(STRONG)), array(np.log(WEAK)), beta))
    assert found[:3] == pytest.approx(scores, abs=1e-4)
    assert found[3] == -np.inf
    assert found.argmax() == best


@given(logits, logits, logits, st.floats(-3, 3))
def test_what_is_the_same_adds_nothing_and_constants_do_not_matter(base, expert, other, strength):
    base, expert, other = map(np.array, (base, expert, other))
    assert (proxy_tune(base, expert, expert, strength) == base).all()
    assert (realign(base, other, 1) == other).all()
    assert (realign(base, other, 0) == base).all()
    assert softmax(realign(base + 3, other - 2, strength)) == pytest.approx(softmax(realign(base, other, strength)))
    assert contrast(base + 3, other - 2) == pytest.approx(contrast(base, other))
    assert softmax(proxy_tune(log_softmax(base), expert, other)) == pytest.approx(
        softmax(proxy_tune(base, expert, other))
    )


@given(logits, logits, st.sampled_from([None, 0.5]))
def test_the_likeliest_token_of_the_strong_model_is_never_masked(strong, weak, beta):
    strong, weak = np.array(strong), np.array(weak)
    assert np.isfinite(contrast(strong, weak, beta, plausible=1.0)[strong.argmax()])


def test_implicit_rewards_sum_over_tokens():
    assert implicit_reward([-1.0, -2.0], [-2.0, -4.0]) == pytest.approx(0.3)
    assert implicit_reward([-1.0], [-1.0]) == 0
    with pytest.raises(ValueError, match="same tokens"):
        implicit_reward([-1.0], [-1.0, -2.0])


@pytest.mark.parametrize("plausible", [0, 1.5])
def test_a_share_that_is_none_is_refused(plausible):
    with pytest.raises(ValueError, match="plausible"):
        contrast(np.zeros(3), np.zeros(3), plausible=plausible)

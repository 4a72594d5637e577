"""What trees learn of a workload's tiles."""

from rdpass.kernels.choice import rank_tiles
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.tuning.cost_model import predict_ratios

from .cases import CASES, MACHINE

LARGE = Convolution(1, 64, 64, 56, 56, (3, 3), padding=(1, 1, 1, 1), epilogue=Epilogue("relu"))


def test_the_cost_model_knows_the_tiles_of_every_workload():
    for work, _, _ in CASES.values():
        ranked = rank_tiles(work, MACHINE)
        assert len(predict_ratios([(one, 1.0 + index) for index, one in enumerate(ranked[:4])], ranked)) == len(ranked)


def test_the_model_learns_what_makes_a_tile_fast():
    """Here a tile is the faster the more rows it has, whatever its estimate."""
    tiles = [ranked for ranked in rank_tiles(LARGE, MACHINE) if isinstance(ranked.tile, DirectTile)]
    tried = [(ranked, 2.0 / ranked.tile.rows) for ranked in tiles[::5]]
    others = [ranked for ranked in tiles if ranked not in tiles[::5]]
    predicted = predict_ratios(tried, others)
    assert others[int(predicted.argmin())].tile.rows == max(ranked.tile.rows for ranked in others)
    assert (predict_ratios(tried, others) == predicted).all()

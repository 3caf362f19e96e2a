"""What stands beside the project where it is developed: real prices, vendor files, recorded answers, schemas."""

from pathlib import Path

BESIDE = Path(__file__).parents[2] / "shared" / "data"
